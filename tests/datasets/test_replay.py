"""Agents that learn for real, and the parts of their training that become data."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from configs.command import compose
from datasets.behaviours.training_state import load_state, save_state
from datasets.behaviours.transitions import Transitions
from datasets.collection.collector import CollectConfig, collect
from datasets.store.descriptions import seal
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.datasets.test_collect import assert_equal
from tests.helpers.commands import refuse, succeed
from tests.helpers.killing import stop
from tests.helpers.replaying import replay_episode, small_agent

LEARNING = "behaviour.replay.learning"
TINY = (
    "behaviour=replay",
    "env.episode_steps=40",
    "points=32",
    "behaviour.noise=[0,0.3]",
    "behaviour.replay.agents=2",
    "behaviour.replay.fraction=0.5",
    f"{LEARNING}.steps=240",
    f"{LEARNING}.demonstrations=1",
    f"{LEARNING}.save_every=80",
    f"{LEARNING}.rlpd.warm_up=80",
    f"{LEARNING}.rlpd.hidden=32",
)


def replay_config(folder: Path, *overrides: str, out: str = "out.zarr") -> CollectConfig:
    """Compose tiny trainings, their logs in a folder of their own."""
    places = (f"out={folder / out}", f"behaviour.replay.logs={folder / 'logs'}", "workers=0")
    return compose(CollectConfig, "collect", [*TINY, *places, *overrides])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two whole trainings and the store of their first half."""
    folder = tmp_path_factory.mktemp("trained")
    collect(replay_config(folder))
    return folder


def test_a_log_holds_every_step_of_a_training_in_time_order(trained: Path) -> None:
    log = EpisodeStore.open(trained / "logs/agent1.zarr")
    assert log.steps == 240
    assert "point_cloud" not in log.names
    np.testing.assert_array_equal(log.read("meta/agent_step"), np.arange(0, 240, 40))
    assert set(log.read("meta/agent")) == {1}


def test_the_first_part_of_all_trainings_is_drawn_in_the_order_of_their_time(trained: Path) -> None:
    store = EpisodeStore.open(trained / "out.zarr")
    assert store.read("meta/agent_step").tolist() == sorted(list(range(0, 120, 40)) * 2)
    assert store.read("meta/agent").tolist() == [0, 1] * 3
    logs = [EpisodeStore.open(trained / f"logs/agent{agent}.zarr") for agent in (0, 1)]
    for index in range(store.episodes):
        drawn, logged = (
            store.read_recording(index),
            logs[index % 2].read_recording(index // 2),
        )
        np.testing.assert_array_equal(drawn.scenes, logged.scenes)
        np.testing.assert_array_equal(drawn.actions, logged.actions)


def test_the_near_optimal_part_is_the_last_and_nothing_is_trained_twice(trained: Path) -> None:
    before = (trained / "logs/agent0.state").stat().st_mtime_ns
    config = replay_config(trained, "behaviour.replay.quality=near_optimal", out="near.zarr")
    collect(config)
    store = EpisodeStore.open(trained / "near.zarr")
    assert store.read("meta/agent_step").min() == 120
    assert (trained / "logs/agent0.state").stat().st_mtime_ns == before


def test_fewer_episodes_are_the_earliest(trained: Path) -> None:
    collect(replay_config(trained, "episodes=3", out="few.zarr"))
    assert EpisodeStore.open(trained / "few.zarr").read("meta/agent_step").tolist() == [0, 0, 40]


def test_training_replays_exactly(trained: Path) -> None:
    """Re-simulating recorded actions from recorded starts gives states, rewards, successes."""
    store = EpisodeStore.open(trained / "out.zarr")
    for index in (0, 3, 5):
        assert replay_episode(store, index).all()


def test_a_killed_training_goes_on_to_the_same_store(trained: Path, tmp_path: Path) -> None:
    command = (
        "datasets/collect.py", *TINY, "workers=1", f"out={tmp_path / 'out.zarr'}",
        f"behaviour.replay.logs={tmp_path / 'logs'}",
    )  # fmt: skip
    assert stop(command, 0, begun=(tmp_path / "logs/agent0.state").exists)
    assert EpisodeStore.open(tmp_path / "logs/agent0.zarr").steps < 240
    succeed(*command)
    assert_equal(trained / "out.zarr", tmp_path / "out.zarr")


def test_a_training_can_be_made_longer(tmp_path: Path) -> None:
    one = ("behaviour.replay.agents=1",)
    longer = (*one, f"{LEARNING}.steps=320")
    (tmp_path / "b").mkdir()
    collect(replay_config(tmp_path, *one))
    collect(replay_config(tmp_path, *longer, out="longer.zarr"))
    collect(replay_config(tmp_path / "b", *longer))
    assert_equal(tmp_path / "longer.zarr", tmp_path / "b/out.zarr")


def test_a_training_that_was_saved_before_todays_keys_goes_on(tmp_path: Path) -> None:
    one = ("behaviour.replay.agents=1", "env.episode_steps=20", f"{LEARNING}.demonstrations=0")
    for folder in (tmp_path / "new", tmp_path / "old"):
        folder.mkdir()
        collect(replay_config(folder, *one, f"{LEARNING}.steps=100"))
    log, saved = tmp_path / "old/logs/agent0.zarr", tmp_path / "old/logs/agent0.state"
    attributes: Any = zarr.open_group(log, mode="r+").attrs
    said = dict(attributes["identity"])
    said["learning"]["rlpd"]["smoothing"] = said["learning"]["rlpd"].pop("tau")
    attributes["identity"] = said
    seal(log)
    state = load_state(saved)
    state["lived"]["going_on"] = state["lived"].pop("not_done")
    save_state(state, saved)
    for folder in (tmp_path / "new", tmp_path / "old"):
        collect(replay_config(folder, *one, f"{LEARNING}.steps=140", out="longer.zarr"))
    assert_equal(tmp_path / "new/longer.zarr", tmp_path / "old/longer.zarr")


def test_meta_worlds_agents_watch_the_script(tmp_path: Path) -> None:
    env = ("env=metaworld", "env.task=reach", "env.episode_steps=60", "behaviour.replay.agents=1")
    collect(replay_config(tmp_path, *env, f"{LEARNING}.steps=120"))
    log = EpisodeStore.open(tmp_path / "logs/agent0.zarr")
    assert log.read("action").shape == (120, 4)


def test_a_training_can_be_seeded_by_its_demonstrator() -> None:
    learner = small_agent(seeding=50)
    trained = [learner.episode() for _ in range(3)]
    noises = [recording.provenance.noise for recording in trained]
    assert noises[0] > 0
    assert noises[1] > 0  # It began before the fiftieth step.
    assert noises[2] == 0
    assert learner._own.size == 120


def test_a_saved_agent_is_as_large_as_what_it_remembers(tmp_path: Path) -> None:
    """Its table has room for eleven episodes; a row is two observations and an action, and more."""
    learner, sizes = small_agent(), []
    for number in range(3):
        learner.episode()
        save_state(learner.state(), tmp_path / f"{number}.state")
        sizes.append((tmp_path / f"{number}.state").stat().st_size)
    row_bytes = sum(values[0].nbytes for values in learner.state()["lived"].values())
    assert np.diff(sizes[:2])[0] == pytest.approx(40 * row_bytes, rel=0.05)
    again = small_agent()
    again.load(load_state(tmp_path / "2.state"))
    one, other = learner.episode(), again.episode()
    np.testing.assert_array_equal(one.actions, other.actions)
    np.testing.assert_array_equal(one.scenes, other.scenes)


def test_a_damaged_checkpoint_of_an_agent_is_refused(tmp_path: Path) -> None:
    config = replay_config(tmp_path, "behaviour.replay.agents=1", f"{LEARNING}.steps=120")
    collect(config)
    saved = tmp_path / "logs/agent0.state"
    saved.write_bytes(saved.read_bytes()[:1000])
    longer = ("behaviour.replay.agents=1", f"{LEARNING}.steps=200", "workers=1")
    places = (f"out={tmp_path / 'b.zarr'}", f"behaviour.replay.logs={tmp_path / 'logs'}")
    told = refuse("datasets/collect.py", *TINY, *longer, *places)
    assert "agent0.state is not a training state, or is damaged" in told


def test_half_of_a_batch_are_demonstrations(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = small_agent()
    seen: list[Transitions] = []
    monkeypatch.setattr(learner._rlpd, "update", seen.append)
    shown = {tuple(row) for row in learner._demonstrations.everything().actions.tolist()}
    for _ in range(4):
        learner.episode()
    halves = [sum(tuple(row) in shown for row in batch.actions.tolist()) for batch in seen]
    assert set(halves) == {128}


def test_a_training_without_demonstrations_is_soft_actor_critic() -> None:
    learner = small_agent(demonstrations=0)
    for _ in range(4):
        learner.episode()
    assert learner._updates == 20


def test_wrong_input_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"behaviour\.replay\.fraction must be at most 1"):
        collect(replay_config(tmp_path, "behaviour.replay.fraction=1.5"))
    with pytest.raises(InputError, match="must be between 1 and 1000"):
        collect(replay_config(tmp_path, "behaviour.replay.agents=0"))
    with pytest.raises(InputError, match="made by another command"):
        collect(replay_config(trained, f"{LEARNING}.rlpd.hidden=64", out="other.zarr"))
    with pytest.raises(InputError, match="succeeded in 0 of 20 episodes"):
        collect(replay_config(tmp_path, "behaviour.noise=[9,9]"))
    told = refuse("datasets/collect.py", *TINY, "behaviour.replay.quality=best")
    assert "choose one of suboptimal, near_optimal" in told
