"""Every key of a script, and what kind of value it takes, read off its configuration."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Literal

import hydra
from omegaconf import OmegaConf

from configs.command.groups import CONFIGS

Kind = Literal["int", "float", "bool", "text", "path", "list", "group", "open"]

PATHS = {"data", "out", "from", "to", "checkpoint", "init_from", "encoder_from", "experience"}
FOLDERS = {"results", "outputs", "paper", "docs", "path", "logs"}
WHOLE = {"points", "episodes", "episode", "cell", "windows", "image_size", "context_features"}
WORDS = {"camera", "task", "experiment", "variant", "point_key"}
LISTS = {"cameras", "state_keys", "crop_low", "crop_high", "images", "quaternion"}
FLAGS = {"colour"}


@cache
def keys_of(config: str, groups: tuple[str, ...] = ()) -> dict[str, Kind]:
    """Give every key of a script with the kind of value that it takes.

    Args:
        config: The name of the script's configuration.
        groups: Choices of groups, e.g. `env=metaworld`, which bring other keys.
    """
    with hydra.initialize_config_dir(str(CONFIGS), version_base=None):
        composed = hydra.compose(f"scripts/{config}", list(groups))
    values = OmegaConf.to_container(composed, resolve=False)
    assert isinstance(values, dict)
    return dict(_leaves(values, ""))


def _leaves(values: dict[Any, Any], before: str) -> Iterator[tuple[str, Kind]]:
    for name, value in values.items():
        key = f"{before}{name}"
        if isinstance(value, dict):
            yield key, "group"
            yield from _leaves(value, f"{key}.")
        else:
            yield key, _kind(str(name), value)


def _kind(name: str, value: object) -> Kind:
    for kind, names in _NAMED:
        if name in names:
            return kind
    by_type: dict[type, Kind] = {bool: "bool", int: "int", float: "float", list: "list"}
    if isinstance(value, str) and value.replace("e-", "").replace(".", "").isdigit():
        return "float"  # `1e-4` is text to YAML.
    return by_type.get(type(value), "open" if value is None else "text")


_NAMED: tuple[tuple[Kind, set[str]], ...] = (
    ("path", PATHS | FOLDERS),
    ("int", WHOLE),
    ("text", WORDS),
    ("list", LISTS),
    ("bool", FLAGS),
)
