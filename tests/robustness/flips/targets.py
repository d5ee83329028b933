"""What is damaged, and how it is read: small stores of both formats, and all files of a run."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from datasets.behaviours.training_state import load_state
from datasets.store.store import EpisodeStore
from policy.planner.checkpoint import load_planner
from policy.rollouts.evaluation_file import read_evaluation
from policy.runs.metrics import read_metrics
from policy.runs.run import Run
from tests.helpers.killing import everything
from tests.robustness.shared.world import World

Reading = Callable[[Path], Any]


@dataclass(frozen=True)
class Target:
    """Something that is damaged, file by file.

    Attributes:
        name: Of it.
        root: What is copied.
        files: Which of its files are damaged, from the root.
        read: Reads all of it, and gives what it read, to be compared.
    """

    name: str
    root: Path
    files: tuple[Path, ...]
    read: Reading


def targets(world: World) -> list[Target]:
    """Give everything that is damaged."""
    stores = [_store(world, name) for name in ("store", "store3")]
    readers: dict[str, tuple[str, Reading]] = {
        "checkpoint": ("checkpoints/pretrain.safetensors", _read_planner),
        "state": ("checkpoints/pretrain-state.pt", _read_state),
        "evaluation": ("evaluation.json", _read_evaluation),
        "metrics": ("pretrain.jsonl", _read_metrics),
        "config": ("config.yaml", partial(_go_on, world.path("run"))),
    }
    run = world.path("run")
    return [
        *stores,
        *(Target(name, run, (Path(file),), read) for name, (file, read) in readers.items()),
    ]


def _store(world: World, name: str) -> Target:
    root = world.path(name)
    files = sorted(p.relative_to(root) for p in root.rglob("*") if p.is_file())
    return Target(name, root, tuple(files), read_store)


def read_store(path: Path) -> dict[str, Any]:
    """Read every array and everything that a store says of itself."""
    store = EpisodeStore.open(path)
    episodes = [vars(store.read_recording(index)) for index in range(store.episodes)]
    return {
        "arrays": everything(store),
        "attributes": store.attributes,
        "ends": store.episode_ends,
        "episodes": [{k: v for k, v in one.items() if k != "provenance"} for one in episodes],
    }


def _read_planner(run: Path) -> dict[str, Any]:
    planner, about = load_planner(run / "checkpoints" / "pretrain.safetensors")
    said = {"config": asdict(planner.config), "sizes": asdict(planner.sizes), "about": about}
    return {**said, "weights": dict(planner.state_dict())}


def _read_state(run: Path) -> dict[str, Any] | None:
    return load_state(run / "checkpoints" / "pretrain-state.pt")


def _read_evaluation(run: Path) -> dict[str, Any]:
    evaluation = read_evaluation(run, "pretrain")
    return {"evaluation": evaluation and asdict(evaluation)}


def _read_metrics(run: Path) -> None:
    """Read the lines of a log, which is for people and carries no checksum; it must not crash."""
    read_metrics(run / "pretrain.jsonl")


def _go_on(whole: Path, run: Path) -> str:
    """Open a run as the command does that made it."""
    config = yaml.safe_load((whole / "config.yaml").read_text(encoding="utf-8"))
    return Run(run, config).config_sha256


def same(one: Any, other: Any) -> bool:  # noqa: ANN401 (whatever was read)
    """Tell whether two readings are equal to the last bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and same(one.numpy(), other.numpy())
    if isinstance(one, np.ndarray):
        alike = one.dtype == other.dtype and one.shape == other.shape
        return alike and one.tobytes() == other.tobytes()
    return bool(one == other) or json.dumps(one, default=str) == json.dumps(other, default=str)


def copy(target: Target, folder: Path) -> Path:
    """Copy a target to be damaged."""
    return Path(shutil.copytree(target.root, folder / target.name / target.root.name))
