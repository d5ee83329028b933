"""Planners that are damaged, diverged or described wrongly, and states with them: one line each."""

import json
import stat
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from datasets.behaviours.training_state import load_state, save_state
from policy.planner.checkpoint import load_planner, save_planner
from tests.helpers.small_planner import small_planner
from tests.policy.planner.damaging import STATE, flipped, full_disk, refused

ABOUT = {"task": "adroit-door", "env": {"points": 512}}
NOT_FINITE = [float("nan"), float("inf"), -float("inf")]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "a.safetensors"
    save_planner(small_planner(), path, ABOUT)
    return path


def rewritten(source: Path, target: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Write a planner's file as a stranger would, without a sum, after a change of its parts."""
    with safe_open(source, "pt") as file:
        parts = {key: json.loads(text) for key, text in file.metadata().items() if key != "sha256"}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    parts["tensors"] = tensors
    change(parts)
    tensors = parts.pop("tensors")
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in parts.items()}
    save_file(tensors, target, texts)
    return target


@pytest.mark.parametrize("part", ["header", "weights"])
def test_no_flipped_bit_of_a_planner_is_read(part: str, saved: Path, tmp_path: Path) -> None:
    raw, damaged = saved.read_bytes(), tmp_path / "b.safetensors"
    header = 8 + int.from_bytes(raw[:8], "little")
    for data in flipped(raw, range(header) if part == "header" else range(header, len(raw))):
        damaged.write_bytes(data)
        refused(load_planner, damaged)


@pytest.mark.parametrize("size", [0, 1, 21, 22, 500, -1])
def test_what_was_cut_off_is_refused(size: int, saved: Path, tmp_path: Path) -> None:
    state, cut = tmp_path / "a-state.pt", tmp_path / "cut"
    save_state(STATE, state)
    for source, read in ((saved, load_planner), (state, load_state)):
        cut.write_bytes(source.read_bytes()[:size])
        refused(read, cut)


@pytest.mark.parametrize("value", NOT_FINITE)
def test_what_diverged_is_neither_saved_nor_loaded(
    value: float, saved: Path, tmp_path: Path
) -> None:
    broken, path = small_planner(), tmp_path / "c.safetensors"
    broken.denoiser.state_dict()["final.1.bias"][0] = value
    save_planner(small_planner(), path, ABOUT)
    before = path.read_bytes()
    assert "diverged" in refused(lambda path: save_planner(broken, path, ABOUT), path)
    assert path.read_bytes() == before
    save_file(broken.state_dict(), path, {"planner": "{}", "sizes": "{}", "about": "{}"})
    assert "denoiser.final.1.bias is not finite" in refused(load_planner, path)
    state = tmp_path / "a-state.pt"
    diverged = {"step": 1, "planner": broken.state_dict()}
    assert "denoiser.final.1.bias" in refused(lambda path: save_state(diverged, path), state)
    assert not state.exists()
    torch.save(diverged, state)
    assert "diverged" in refused(load_state, state)


@pytest.mark.parametrize("write", [save_state, lambda state, path: save_planner(state, path, {})])
def test_a_full_disk_names_the_file_and_leaves_the_one_before(
    write: Callable[[Any, Path], None], saved: Path, tmp_path: Path
) -> None:
    path = tmp_path / "a"
    what: Any = STATE if write is save_state else small_planner()
    write(what, path)
    before = path.read_bytes()
    with full_disk(1000), pytest.raises(OSError, match=f"too large: '{path}'"):
        write(what, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_permissions_are_those_of_any_new_file(saved: Path, tmp_path: Path) -> None:
    save_state(STATE, tmp_path / "a-state.pt")
    (tmp_path / "other").touch()
    expected = stat.S_IMODE((tmp_path / "other").stat().st_mode)
    assert stat.S_IMODE(saved.stat().st_mode) == expected
    assert stat.S_IMODE((tmp_path / "a-state.pt").stat().st_mode) == expected


def deep(levels: int = 100_000) -> str:
    return "[" * levels + "]" * levels


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "no planner": lambda parts: parts.pop("planner"),
    "no sizes": lambda parts: parts.pop("sizes"),
    "no about": lambda parts: parts.pop("about"),
    "something unknown": lambda parts: parts.update(more={}),
    "a planner that is a list": lambda parts: parts.update(planner=[1]),
    "a planner that is a number": lambda parts: parts.update(planner=3),
    "a planner that is text": lambda parts: parts.update(planner='"text"'),
    "no JSON": lambda parts: parts.update(planner="{'history': 2}"),
    "deep JSON": lambda parts: parts.update(planner=deep()),
    "deep facts": lambda parts: parts.update(about=deep()),
    "facts that are a list": lambda parts: parts.update(about=[]),
    "a task that is a number": lambda parts: parts["about"].update(task=3),
    "an environment that is text": lambda parts: parts["about"].update(env="door"),
    "a text for a number": lambda parts: parts["planner"].update(horizon="4"),
    "a missing key": lambda parts: parts["planner"].pop("history"),
    "an unknown key": lambda parts: parts["planner"].update(hystory=2),
    "a denoiser that is a list": lambda parts: parts["planner"].update(denoiser=[]),
    "groups that are none": lambda parts: parts["planner"]["denoiser"].update(groups=0),
    "groups that do not divide": lambda parts: parts["planner"]["denoiser"].update(groups=7),
    "negative widths": lambda parts: parts["planner"]["denoiser"].update(widths=[-8, 16, 24]),
    "huge widths": lambda parts: parts["planner"]["denoiser"].update(widths=[8, 16, 10**9]),
    "a huge robot": lambda parts: parts["sizes"].update(robot_state=10**9),
    "huge actions": lambda parts: parts["sizes"].update(actions=10**12),
    "negative sizes": lambda parts: parts["sizes"].update(actions=-1),
    "sizes that are a list": lambda parts: parts.update(sizes=[3, 24, 6]),
    "another dimension": lambda parts: parts["sizes"].update(actions=27),
    "a missing weight": lambda parts: parts["tensors"].pop("denoiser.final.1.bias"),
    "one weight more": lambda parts: parts["tensors"].update(more=torch.zeros(2)),
    "a weight of another shape": lambda parts: parts["tensors"].update(
        {"denoiser.final.1.bias": torch.zeros(3)}
    ),
    "a weight of another type": lambda parts: parts["tensors"].update(
        {"denoiser.final.1.bias": torch.zeros(28, dtype=torch.int32)}
    ),
    "a scale of 0": lambda parts: parts["tensors"]["normalizer.actions.scale"].zero_(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_description_that_makes_no_sense_is_refused(
    change: Callable[[dict[str, Any]], None], saved: Path, tmp_path: Path
) -> None:
    refused(load_planner, rewritten(saved, tmp_path / "d.safetensors", change))


def test_a_file_without_a_sum_is_read_as_before(saved: Path, tmp_path: Path) -> None:
    old = rewritten(saved, tmp_path / "old.safetensors", lambda parts: None)
    planner, about = load_planner(old)
    assert about == ABOUT
    assert asdict(planner.config) == asdict(small_planner().config)


@pytest.mark.parametrize(
    "change",
    [
        lambda parts: parts["planner"].update(chunk=0),
        lambda parts: parts["planner"].update(horizon=10**9),
        lambda parts: parts["planner"].update(chunk=4),
        lambda parts: parts["planner"].update(denoising_steps=10**9),
        lambda parts: parts["planner"].update(sampling_steps=7),
        lambda parts: parts["planner"].update(eta=-1.0),
        lambda parts: parts["planner"]["denoiser"].update(blocks=10**9),
        lambda parts: parts["planner"]["denoiser"].update(widths=[]),
        lambda parts: parts["planner"]["denoiser"].update(widths=[8] * 10**5),
    ],
)
def test_numbers_that_no_command_may_give_are_refused_in_a_file_too(
    change: Callable[[dict[str, Any]], None], saved: Path, tmp_path: Path
) -> None:
    refused(load_planner, rewritten(saved, tmp_path / "d.safetensors", change))
