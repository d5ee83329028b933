"""Pre-training from a memory map: the same planner, and a run may go on from one."""

from pathlib import Path
from typing import Any

import pytest

from datasets.windows import load_windows
from perception.errors import InputError
from policy.pretraining.config import PretrainConfig
from policy.pretraining.pretrain import pretrain
from policy.runs.run import Run
from tests.helpers.small_planner import small_planner
from tests.policy.pipeline.without_page import train_without_page
from tests.policy.test_training import PRETRAINING, assert_same_weights

PLAN: dict[str, Any] = {"history": 2, "horizon": 4, "chunk": 3}


def test_a_memory_map_trains_the_same_planner(tiny_store: Path, tmp_path: Path) -> None:
    config = PretrainConfig(4, 8, 1e-3, None, False, "float32", 5, 10)
    for name, folder in (("memory", None), ("mapped", tmp_path / "decoded")):
        windows = load_windows([tiny_store], **PLAN, memory_map=folder)
        run = Run(tmp_path / name, {"about": {"task": "adroit-door", "seed": 0}})
        pretrain(small_planner(), windows, config, run=run, seed=0)
    assert_same_weights(tmp_path / "memory", tmp_path / "mapped", "pretrain")


def test_a_run_may_go_on_from_a_memory_map(tiny_store: Path, tmp_path: Path) -> None:
    small = [f"data={tiny_store}", f"out={tmp_path}", "stage=pretrain", *PRETRAINING]
    few = ["episodes=1", "envs=1", "env.episode_steps=3"]
    for own in (["pretrain.steps=1"], ["pretrain.steps=2", "pretrain.memory=map"]):
        train_without_page(*small, *few, *own)
    assert (tmp_path / "decoded" / "point_cloud.npy").exists()


def test_pictures_are_not_mapped(tiny_store: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"leave pretrain.memory=map out"):
        load_windows([tiny_store], **PLAN, memory_map=tmp_path, observes="image")
