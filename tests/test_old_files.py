"""Stores, planners and runs of before the rooms: they open, go on, and mean what they meant.

The fixture was made by commit cf67f40: two episodes of six steps of adroit-door (camera `fixed`, 16
points), of metaworld-reach (16 points), and of adroit-door by its state, and a run on each of the
first two. Only cards and what training needs to go on were left out.
"""

import tarfile
from pathlib import Path

import numpy as np
import pytest

from datasets.store.store import EpisodeStore
from policy.planner.checkpoint import load_planner
from policy.rollouts.evaluation_file import read_evaluation
from policy.runs.run import find_checkpoint
from tests.helpers.commands import succeed
from tests.policy.pipeline.without_page import train_without_page

PACKED = Path(__file__).parent / "fixtures" / "before_rooms.tar.gz"
SMALL = ("workers=0", "envs=1", "episodes=1", "threads=1")


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(PACKED) as packed:
        packed.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize("name", ["door", "reach"])
def test_an_old_run_is_evaluated_as_it_was_seen(name: str, old: Path, tmp_path: Path) -> None:
    run = old / f"{name}-run"
    stage = find_checkpoint(run).stem
    before = read_evaluation(run, stage)
    succeed("policy/evaluate.py", f"checkpoint={run}", f"out={tmp_path}", *SMALL, "gallery=0")
    after = read_evaluation(tmp_path, stage)
    assert before is not None
    assert after is not None
    assert (after.seeds, after.successes) == (before.seeds, before.successes)
    assert after.lengths == before.lengths
    np.testing.assert_allclose(after.returns, before.returns, rtol=1e-5)


def test_an_old_planner_is_fine_tuned(old: Path, tmp_path: Path) -> None:
    planner = old / "door-run" / "checkpoints" / "pretrain.safetensors"
    train_without_page(
        "stage=finetune", f"init_from={planner}", f"out={tmp_path / 'run'}",
        "finetune=ppo_bc", "finetune.episodes=2", "finetune.initial_episodes=1",
        "finetune.initial_limit=1",
        "finetune.gradient_steps=1", "finetune.evaluate_every=0", *SMALL,
    )  # fmt: skip
    _, about = load_planner(tmp_path / "run" / "checkpoints" / "finetune.safetensors")
    assert about["env"]["view"]["cameras"] == ["fixed"]
    assert about["env"]["view"]["points"] == 16


def test_old_stores_go_on_by_the_same_command(old: Path) -> None:
    same = ("env.episode_steps=6", "workers=0", "episodes=3")
    door = ("behaviour.noise=[0,0]", "cameras=[fixed]", "points=16", f"out={old / 'door.zarr'}")
    succeed("datasets/collect.py", "env=adroit-door", *door, *same)
    reach = ("env=metaworld", "env.task=reach", "behaviour=scripted", f"out={old / 'reach.zarr'}")
    succeed("datasets/collect.py", *reach, "points=16", *same)
    unseen = ("env=adroit-door", "points=0", f"out={old / 'state.zarr'}")
    succeed("datasets/collect.py", *unseen, *same)
    for name in ("door", "reach", "state"):
        assert EpisodeStore.open(old / f"{name}.zarr").episodes == 3


def test_an_old_store_is_trained_on_as_it_was_seen(old: Path, tmp_path: Path) -> None:
    train_without_page(
        f"data={old / 'door.zarr'}", f"out={tmp_path / 'run'}", "stage=pretrain",
        "denoiser=unet-small", "pretrain.steps=2", "pretrain.batch=4", *SMALL,
    )  # fmt: skip
    _, about = load_planner(tmp_path / "run" / "checkpoints" / "pretrain.safetensors")
    assert about["env"]["view"]["points"] == 16
    assert "history" not in about["env"]
