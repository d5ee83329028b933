"""The examples run."""

from pathlib import Path

import numpy as np
import pytest

from datasets.store.store import EpisodeStore
from perception.encoders.encoder import Encoder
from policy.planner.checkpoint import load_planner
from tests.conftest import ROOT
from tests.datasets.cameras.streaming import place_of
from tests.helpers.commands import start, succeed
from tests.policy.rollouts.camera_frames import saved

HERE = ("workers=0",)
SHORT = (
    "threads=1",
    "envs=2",
    "episodes=2",
    "pretrain.steps=3",
    "pretrain.batch=4",
    "finetune.episodes=4",
    "finetune.initial_episodes=1",
    "finetune.initial_limit=2",
    "finetune.evaluate_every=0",
    "finetune.algorithm.distil.steps=2",
)


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem)
def test_an_example_is_read_in_a_minute(example: Path) -> None:
    assert len(example.read_text(encoding="utf-8").splitlines()) < 60


def test_acting_from_a_camera(tmp_path: Path) -> None:
    run, _ = saved(tmp_path / "run")
    said = succeed("examples/act_from_camera.py", str(run))
    assert said.count("reward") == 10
    assert "taken as millimetres" in said
    assert "looks back" not in said  # It gives every frame.


def test_recording_a_robot(tmp_path: Path) -> None:
    out = tmp_path / "bench.zarr"
    box = ("crop_low=[-0.4,-0.4,0.02]", "crop_high=[0.4,0.4,0.5]")
    process = start(
        "datasets/cameras/record.py", "task=bench", *box, f"out={out}", "port=0", "episodes=3"
    )
    said = succeed("examples/record_robot.py", place_of(process))
    assert said.count("is kept") == 3
    assert process.wait(timeout=120) == 0
    store = EpisodeStore.open(out)
    assert (store.episodes, store.steps) == (3, 60)
    assert store.read("success")[store.episode_ends - 1].all()
    heights_m = store.read("point_cloud")[..., 2]
    assert abs(heights_m - 0.1).max() < 1e-3
    assert "written to" in succeed("datasets/view.py", f"data={out}")


def test_a_training_loop_of_ones_own(tiny_store: Path) -> None:
    said = succeed("examples/own_training_loop.py", str(tiny_store))
    losses = [float(line.rpartition(" ")[2]) for line in said.splitlines() if "loss" in line]
    assert len(losses) == 10
    assert losses[-1] < losses[0]


def test_stable_baselines3_learns_on_clouds() -> None:
    said = succeed("examples/ppo_on_clouds.py", "sodp/metaworld-reach-v0", "16")
    assert "total_timesteps | 32" in said


def test_a_task_of_ones_own(tmp_path: Path) -> None:
    task = ("env=gymnasium", "env.task=examples.own_task:TouchPeg-v0")
    store, run = tmp_path / "peg.zarr", tmp_path / "run"
    succeed("datasets/collect.py", *task, "behaviour=random", "episodes=8", f"out={store}", *HERE)
    made = EpisodeStore.open(store)
    assert made.read("success").any()  # Moving about touches the peg now and then.
    firsts = made.read("point_cloud")[np.append(0, made.episode_ends[:-1])]
    assert ((firsts[..., 2] > 0.25).sum(axis=1) > 3).all()  # The peg is higher than the ball.
    succeed("policy/train.py", f"data={store}", f"out={run}", *HERE, *SHORT)
    assert (run / "report.html").is_file()


def test_an_encoder_of_ones_own(tiny_store: Path, tmp_path: Path) -> None:
    own = ("encoder.kind=examples.own_encoder:Attention", "encoder.width=16")
    succeed("policy/train.py", f"data={tiny_store}", f"out={tmp_path}", *own, *HERE, *SHORT)
    planner, _ = load_planner(tmp_path / "checkpoints" / "finetune.safetensors")
    assert isinstance(planner.encoder, Encoder)
    assert planner.encoder.features == 32
