"""Pre-training from a memory map: a run may go on from one, and ends with the same numbers."""

from pathlib import Path
from typing import Any

import pytest

from configs.command import compose
from datasets.windows import load_windows
from perception.errors import InputError
from policy.pipeline.config import TrainConfig
from policy.pipeline.stages import train
from tests.policy.test_training import PRETRAINING, assert_same_weights

PLAN: dict[str, Any] = {"history": 2, "horizon": 4, "chunk": 3}


def test_a_run_goes_on_from_a_memory_map_to_the_same_weights(
    tiny_store: Path, tmp_path: Path
) -> None:
    def run(name: str, *overrides: str) -> None:
        small = [f"data={tiny_store}", "stage=pretrain", *PRETRAINING, "episodes=1", "envs=1"]
        train(compose(TrainConfig, "train", [*small, f"out={tmp_path / name}", *overrides]))

    run("memory", "pretrain.steps=4")
    run("mapped", "pretrain.steps=2")
    run("mapped", "pretrain.steps=4", "pretrain.memory=map")
    assert_same_weights(tmp_path / "memory", tmp_path / "mapped", "pretrain")
    assert (tmp_path / "mapped" / "decoded" / "point_cloud.npy").exists()


def test_pictures_are_not_mapped(tiny_store: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"leave pretrain.memory=map out"):
        load_windows([tiny_store], **PLAN, memory_map=tmp_path, observes="image")
