"""Collecting for real: any number of workers, killed and continued, gives the same store."""

import multiprocessing
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from datasets.behaviours import demonstrator, scripted, state_agent
from datasets.behaviours.behaviour import act
from datasets.cards.card_files import keep_card
from datasets.collection.collector import collect
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.store import EpisodeStore
from envs.make import make_simulator
from perception.errors import InputError
from tests.conftest import collect_config, needs_gl, task_config
from tests.helpers.commands import refuse
from tests.helpers.killing import assert_equal

TINY = ("env.episode_steps=12", "points=64")
GL = ("env.view.depth=gl", "env.view.image=gl")


def test_the_number_of_workers_does_not_matter(tmp_path: Path) -> None:
    for workers in (0, 2):
        collect(collect_config(tmp_path / f"{workers}.zarr", f"workers={workers}", episodes=5))
    assert_equal(tmp_path / "0.zarr", tmp_path / "2.zarr")


def killed_at_once(out: Path) -> None:
    """Collect, and be killed when the store is there and its first episode is not."""

    def deadly(_store: EpisodeStore, _episode: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    EpisodeStore.append = deadly  # type: ignore[method-assign, assignment]
    collect(collect_config(out, episodes=2))


def test_a_collection_killed_before_its_first_episode_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "a.zarr"
    process = multiprocessing.get_context("fork").Process(target=killed_at_once, args=(out,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert out.exists()
    collect(collect_config(out, episodes=2))
    assert EpisodeStore.open(out).episodes == 2


def test_a_finished_store_can_be_made_longer(tmp_path: Path) -> None:
    collect(collect_config(tmp_path / "a.zarr", episodes=2))
    collect(collect_config(tmp_path / "a.zarr", episodes=4))
    collect(collect_config(tmp_path / "b.zarr", episodes=4))
    assert_equal(tmp_path / "a.zarr", tmp_path / "b.zarr")


def test_a_store_says_how_it_was_made(tiny_store: Path) -> None:
    said = EpisodeStore.open(tiny_store).attributes
    assert said["task"] == "adroit-door"
    assert said["frame"] == "world"
    assert said["identity"]["behaviour"]["kind"] == "state_agent"
    assert said["identity"]["env"]["view"]["crop_low"] == [-1.0, -1.0, 0.001]
    camera = said["cameras"]["top"]
    np.testing.assert_allclose(np.array(camera["world_from_camera"])[:3, 3], [0, 0, 1.5])
    assert np.array(camera["intrinsics"])[0, 2] == pytest.approx(41.5)
    assert said["versions"]["mujoco"] == "3.3.0"
    assert said["model_edits"] == ["body_pos[28]"]


def test_recorded_actions_replay_to_the_recorded_states(tiny_store: Path) -> None:
    config = task_config("adroit-door")
    simulator = make_simulator(config)
    store = EpisodeStore.open(tiny_store)
    for index in range(store.episodes):
        recording = store.read_episode(index).recording
        simulator.reset(123)
        simulator.restore_state(recording.provenance.start)
        for step, action in enumerate(recording.actions):
            np.testing.assert_array_equal(simulator.scene_state(), recording.sim_states[step])
            outcome = simulator.step(action)
            assert np.float32(outcome.reward) == recording.rewards[step]
            assert outcome.success == recording.successes[step]


def test_the_default_data_is_mixed_from_failing_to_expert() -> None:
    config = task_config("adroit-door")
    simulator = make_simulator(config)
    clean, noisy = (
        state_agent.make(
            state_agent.Config("state_agent", None, (n, n), (0.0, 0.0)), config, simulator
        )
        for n in (0.0, 2.5)
    )
    expert, failing = (
        [act(simulator, behaviour, steps=100, seed=seed).successes[-1] for seed in range(3)]
        for behaviour in (clean, noisy)
    )
    assert all(expert)
    assert not any(failing)


@pytest.mark.parametrize("name", ["agent", "scripted", "random"])
def test_every_behaviour_collects(tmp_path: Path, name: str) -> None:
    env = ["env=metaworld", "env.task=reach"] if name == "scripted" else ["env=adroit-pen"]
    collect(collect_config(tmp_path / "s.zarr", *env, f"behaviour={name}", episodes=1))
    actions = EpisodeStore.open(tmp_path / "s.zarr").read("action")
    assert np.abs(actions).max() <= 1
    assert actions.std() > 0.1


def test_pictures_are_kept_when_asked_for(tmp_path: Path) -> None:
    collect(collect_config(tmp_path / "s.zarr", "images=[depth]", "cameras=[top,fixed]"))
    store = EpisodeStore.open(tmp_path / "s.zarr")
    assert store.read("depth_top").shape == (24, 84, 84)
    assert store.read("depth_fixed").max() > 0.5
    assert store.read("point_cloud").shape == (24, 64, 3)


@needs_gl
def test_rgb_and_opengl_depth_are_kept_when_asked_for(tmp_path: Path) -> None:
    config = collect_config(tmp_path / "s.zarr", *GL, "images=[img]", "colour=true")
    collect(replace(config, episodes=1))
    store = EpisodeStore.open(tmp_path / "s.zarr")
    assert store.read("img").shape == (12, 84, 84, 3)
    assert store.read("img").std() > 10
    assert store.read("point_cloud").shape == (12, 64, 6)


def test_a_behaviour_of_ones_own_collects(tmp_path: Path) -> None:
    own = ("behaviour.kind=tests.helpers.own.behaviour:Swing", "behaviour.width=0.25")
    collect(collect_config(tmp_path / "s.zarr", *own, "workers=1"))
    store = EpisodeStore.open(tmp_path / "s.zarr")
    assert np.abs(store.read("action")).max() <= 0.25
    assert store.attributes["identity"]["behaviour"] == {"kind": own[0][15:], "width": 0.25}
    with pytest.raises(InputError, match=r"Unknown key behaviour.depth; there are kind, width"):
        collect_config(tmp_path / "s.zarr", own[0], "behaviour.depth=1")
    with pytest.raises(InputError, match=r"behaviour.kind=nowhere:Swing does not import"):
        collect_config(tmp_path / "s.zarr", "behaviour.kind=nowhere:Swing")


def test_a_planner_is_recorded_elsewhere(tmp_path: Path) -> None:
    told = refuse("datasets/collect.py", "behaviour=planner", f"out={tmp_path / 's.zarr'}")
    assert told == "error: behaviour=planner is unknown; policy/record.py records a planner"


def test_behaviours_that_a_task_lacks_are_refused() -> None:
    door = task_config("adroit-door")
    simulator, reach = make_simulator(door), replace(door, name="metaworld-reach")
    noise = ((0.0, 0.0), (0.0, 0.0))
    with pytest.raises(InputError, match="choose behaviour=agent or random"):
        scripted.make(scripted.Config("scripted", *noise), door, simulator)
    with pytest.raises(InputError, match="choose behaviour=scripted or random"):
        state_agent.make(state_agent.Config("state_agent", None, *noise), reach, simulator)
    either = demonstrator.DemonstratorConfig(None, *noise)
    with pytest.raises(InputError, match="has no scripted policy"):
        demonstrator.make_demonstrator(either, reach, simulator)


def test_a_task_without_an_agent_is_acted_by_its_script(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    reach = ("env=metaworld", "env.task=reach")
    collect(collect_config(tmp_path / "s.zarr", *reach, episodes=1))
    behaviour = EpisodeStore.open(tmp_path / "s.zarr").identity["behaviour"]
    assert behaviour == {
        "kind": "scripted", "noise": [0.0, 1.5], "random_share": [0.3, 0.95]
    }  # fmt: skip
    assert "No agent is shipped for metaworld-reach: its script acts" in caplog.text
    # The same store as one that was asked for by name.
    collect(collect_config(tmp_path / "s.zarr", *reach, "behaviour=scripted", episodes=2))
    own = collect_config(tmp_path / "t.zarr", *reach, "behaviour.noise=[0,0.1]", episodes=1)
    collect(own)
    behaviour = EpisodeStore.open(tmp_path / "t.zarr").identity["behaviour"]
    assert behaviour["noise"] == [0.0, 0.1]
    assert behaviour["random_share"] == [0.3, 0.95]
    collect(collect_config(tmp_path / "u.zarr", *reach, "behaviour=expert", episodes=1))
    behaviour = EpisodeStore.open(tmp_path / "u.zarr").identity["behaviour"]
    assert (behaviour["noise"], behaviour["random_share"]) == ([0.0, 0.0], [0.0, 0.0])


def test_clouds_by_no_camera_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cameras=\[\]"):
        collect(collect_config(tmp_path / "s.zarr", "cameras=[]"))
    assert not list(tmp_path.iterdir())
    collect(collect_config(tmp_path / "s.zarr", "cameras=[]", "points=0"))


def test_a_resumed_collection_counts_all_its_episodes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "s.zarr"
    good = ("behaviour.noise=[0,0]", "env.episode_steps=100")
    collect(collect_config(path, *good, episodes=2))
    assert EpisodeStore.open(path).read("success")[99::100].all()
    failing = replace(
        EpisodeStore.open(path).read_whole(0).recording, successes=np.zeros(100, bool)
    )
    store = EpisodeStore.open(path)
    with EpisodeStore.writing(path, StoreFormat(2, 0.09), store.attributes) as writable:
        whole = store.read_episode(0)
        writable.append(replace(whole, recording=failing))
    capsys.readouterr()
    collect(collect_config(path, *good, episodes=4))
    assert "success=75%" in capsys.readouterr().err


def test_no_store_says_where_an_agent_lies_on_this_machine(tmp_path: Path) -> None:
    agent = shutil.copy(state_agent.shipped("adroit-door"), tmp_path / "mine.npz")
    collect(collect_config(tmp_path / "s.zarr", f"behaviour.path={agent}", episodes=1))
    said = EpisodeStore.open(tmp_path / "s.zarr")
    assert str(tmp_path) not in str(said.attributes)
    assert said.identity["behaviour"]["path"].startswith("mine.npz (crc32 ")
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.move(agent, tmp_path / "elsewhere" / "mine.npz")
    collect(collect_config(tmp_path / "s.zarr", f"behaviour.path={moved}", episodes=2))
    other = shutil.copy(state_agent.shipped("adroit-pen"), moved)
    with pytest.raises(InputError, match=r"behaviour\.path: mine\.npz"):
        collect(collect_config(tmp_path / "s.zarr", f"behaviour.path={other}", episodes=3))


def test_the_shortest_collection_has_its_card(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    collect(collect_config(path, "env.episode_steps=1", episodes=1))
    keep_card(path)
    assert (path / "card.html").exists()


def test_a_suite_cannot_share_one_store(tmp_path: Path) -> None:
    line = refuse("datasets/collect.py", "env=adroit", *TINY, f"out={tmp_path / 'x.zarr'}")
    assert "A suite of 3 tasks cannot share out=" in line
    assert not list(tmp_path.iterdir())
