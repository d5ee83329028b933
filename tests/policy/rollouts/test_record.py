"""A planner's rollouts as data: the episodes that an evaluation plays, with their chains."""

from pathlib import Path

import numpy as np
import pytest
import torch

from configs.command import compose, compose_part
from datasets.collection.merger import MergeConfig, merge
from datasets.collection.rerender import RenderConfig, render_again
from datasets.store.store import EpisodeStore
from envs.config import EnvConfig
from envs.seeding import derive_seed
from perception.errors import InputError
from policy.planner.checkpoint import save_planner
from policy.rollouts.recorder import RecordConfig, record
from policy.rollouts.trajectory import make_recorded_env, play
from tests.helpers.commands import succeed
from tests.helpers.replaying import replay_episode
from tests.helpers.small_planner import small_planner

TINY = ("env.episode_steps=10", "points=32", "episodes=2")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("planner") / "planner.safetensors"
    save_planner(small_planner(), path, {"task": "adroit-door"})
    return path


@pytest.fixture(scope="module")
def store(checkpoint: Path) -> EpisodeStore:
    out = checkpoint.with_name("out.zarr")
    own = (f"checkpoint={checkpoint}", f"out={out}", "workers=1")
    succeed("policy/record.py", *TINY, *own)
    return EpisodeStore.open(out)


def test_it_records_what_an_evaluation_would_play(checkpoint: Path, store: EpisodeStore) -> None:
    short = ["env.episode_steps=10", "env.view.points=32"]
    env, planner = compose_part(EnvConfig, "env", "adroit-door", short), small_planner().eval()
    world = make_recorded_env(env, planner)
    for index in range(2):
        recording = store.read_recording(index)
        trajectory = play(planner, world, derive_seed("data", 0, index))
        np.testing.assert_allclose(recording.rewards, trajectory.rewards, rtol=1e-5)
        np.testing.assert_array_equal(recording.scenes, trajectory.scene_states[:-1])


def test_a_plan_is_the_end_of_its_chain(store: EpisodeStore) -> None:
    planned, planner = store.read("planned"), small_planner()
    assert planned[:10].nonzero()[0].tolist() == [0, 3, 6, 9]
    chains = torch.from_numpy(store.read("chain"))
    assert chains.shape == (20, 11, 4, 28)
    assert not chains[1].any()
    actions = planner.to_actions(chains[:10][planned[:10], -1]).flatten(0, 1)[:10]
    np.testing.assert_array_equal(store.read("action")[:10], actions.numpy())


def test_its_episodes_replay_exactly(store: EpisodeStore) -> None:
    assert replay_episode(store, 1).all()


def test_a_planner_of_another_task_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.zarr"
    pen = ["env=adroit-pen", f"checkpoint={checkpoint}", f"out={out}"]
    with pytest.raises(InputError, match="made for adroit-door, not for adroit-pen"):
        record(compose(RecordConfig, "record", pen))
    assert not out.exists()


def test_chains_stay_beside_the_steps_when_merged_and_drawn_again(
    checkpoint: Path, store: EpisodeStore, tmp_path: Path
) -> None:
    other, own = tmp_path / "other.zarr", f"checkpoint={checkpoint}"
    record(compose(RecordConfig, "record", [
        *TINY, own, f"out={other}", "seed=1", "workers=0", "images=[depth]",
    ]))  # fmt: skip
    again, merged = tmp_path / "again.zarr", tmp_path / "merged.zarr"
    render = [f"data={other}", f"out={again}", "images=[]", "workers=0"]
    render_again(compose(RenderConfig, "render", render))
    merge(compose(MergeConfig, "merge", [f"data=[{store.path},{again}]", f"out={merged}"]))
    drawn, both = EpisodeStore.open(again), EpisodeStore.open(merged)
    assert drawn.names == both.names == store.names
    for name in ("chain", "planned"):
        parts = [store.read(name), EpisodeStore.open(other).read(name)]
        np.testing.assert_array_equal(both.read(name), np.concatenate(parts))
