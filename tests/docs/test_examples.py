"""The examples run."""

from pathlib import Path

from tests.helpers.commands import succeed
from tests.policy.rollouts.camera_frames import saved


def test_acting_from_a_camera(tmp_path: Path) -> None:
    run, _ = saved(tmp_path / "run")
    said = succeed("examples/act_from_camera.py", str(run))
    assert said.count("reward") == 10
    assert "taken as millimetres" in said
    assert "looks back" not in said  # It gives every frame.


def test_a_training_loop_of_ones_own(tiny_store: Path) -> None:
    said = succeed("examples/own_training_loop.py", str(tiny_store))
    losses = [float(line.rpartition(" ")[2]) for line in said.splitlines() if "loss" in line]
    assert len(losses) == 10
    assert losses[-1] < losses[0]


def test_stable_baselines3_learns_on_clouds() -> None:
    said = succeed("examples/ppo_on_clouds.py", "sodp/metaworld-reach-v0", "16")
    assert "total_timesteps | 32" in said
