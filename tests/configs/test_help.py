"""`--help` lists every key that a script takes, and no others."""

import importlib
import re
from functools import cache
from typing import Any

import pytest
from omegaconf import OmegaConf

from configs.command import compose, compose_values
from configs.command.help_text import help_text
from configs.command.schema import NOT_SAID
from tests.layout.sources import ROOT, sources

DECLARED = re.compile(r"^@script\(\s*\"([\w/-]+)\", (\w+)", re.MULTILINE)
GIVEN = {
    "data": "a.zarr",
    "out": "b.zarr",
    "checkpoint": "c",
    "from": "d",
    "to": "e.zarr",
    "crop_low": "[0,0,0]",
    "crop_high": "[1,1,1]",
}


@cache
def scripts() -> dict[str, tuple[str, str]]:
    """Give the module and the schema of each script, by the name of its YAML."""
    found = {}
    for source in sources("datasets", "policy", "studies"):
        match = DECLARED.search(source.read_text(encoding="utf-8"))
        if match:
            name = ".".join(source.relative_to(ROOT).with_suffix("").parts)
            found[match[1]] = (name, match[2])
    return found


@cache
def shown(script: str) -> tuple[Any, dict[str, str]]:
    """Give a script's schema, and the keys of its help with their values."""
    name, schema_name = scripts()[script]
    module = importlib.import_module(name)
    schema = getattr(module, schema_name)
    part = help_text(script, schema, module).split("Keys (", 1)[1].split("\n\n", 1)[0]
    lines = [line.strip().partition("  # ")[0] for line in part.splitlines()[1:]]
    return schema, dict(line.split("=", 1) for line in lines)


def flat(values: Any, where: str = "") -> set[str]:  # noqa: ANN401
    """List the dotted keys of a nest of values."""
    if not isinstance(values, dict) or not values:
        return {where}
    return {
        key for name, inner in values.items() for key in flat(inner, f"{where}.{name}".strip("."))
    }


@pytest.mark.parametrize("script", scripts())
def test_every_key_of_the_configuration_is_shown(script: str) -> None:
    _, keys = shown(script)
    composed = OmegaConf.to_container(compose_values(f"scripts/{script}", []), resolve=False)
    missing = {
        key for key in flat(composed) if not any(key == k or k.startswith(f"{key}.") for k in keys)
    }
    assert not missing
    assert not set(NOT_SAID) & set(keys)


@pytest.mark.parametrize("script", scripts())
def test_every_key_that_is_shown_is_one(script: str) -> None:
    schema, keys = shown(script)
    typed = {key: value for key, value in keys.items() if value and not value.startswith("${")}
    needed = {
        key: GIVEN.get(key, "x") for key, value in keys.items() if not value and "." not in key
    }
    said = {key: value for key, value in {**typed, **needed}.items() if "${" not in value}
    compose(schema, script, [f"{key}={value}" for key, value in said.items()])


def test_ranges_comments_and_kinds_are_shown() -> None:
    name, schema = scripts()["train"]
    module = importlib.import_module(name)
    text = help_text("train", getattr(module, schema), module)
    assert "  seed=0  # (between 0 and 4294967295)" in text
    assert "planner.denoising_steps=100  # K (between 1 and 10000)" in text
    assert "denoiser.kind=mixer  # width, blocks, token_hidden" in text
    assert "finetune.algorithm.explore.candidates=6" in text
    assert "env=adroit-door  # or adroit, adroit-hammer" in text
    assert "overrides" not in text
