"""An episode stepped through in the browser, with the path of every plan."""

import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from envs.make import make_simulator
from perception.errors import InputError
from policy.planner.checkpoint import save_planner
from policy.rollouts.trajectory import make_recorded_env, play
from policy.viewing.live_episode import LiveEpisode, hand_path_ahead
from policy.viewing.live_view import LiveView, load_episodes
from tests.conftest import task_config
from tests.helpers.commands import start
from tests.helpers.small_planner import SHORT, quick_planner
from tests.policy.viewing.test_rollout_page import rollout_config
from visualizer.player import serving

TASKS = ["adroit-door", "adroit-hammer", "adroit-pen", "metaworld-drawer-open"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "checkpoints" / "finetune.safetensors"
    save_planner(quick_planner(), path, {"task": "adroit-door", "stage": "finetune", "seed": 0})
    return path


def test_stepped_to_its_end_a_live_episode_is_the_played_one() -> None:
    env = task_config("adroit-door", *SHORT)
    planner, live = quick_planner(), LiveEpisode(quick_planner(), env)
    live.advance()
    first = live.reset(5)
    frames = [first]
    while not live.done:
        frames += live.advance()
    assert live.advance() == []
    mine, whole = live.trajectory(), play(planner, make_recorded_env(env, planner), 5)
    for name in ("points", "robot_states", "scene_states", "rewards", "successes"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(whole, name))
    for one, other in zip(mine.plans, whole.plans, strict=True):
        assert one.step == other.step
        np.testing.assert_array_equal(one.actions, other.actions)
    np.testing.assert_array_equal(np.stack([frame.cloud for frame in frames]), whole.points)
    assert "step 0 of 12" in first.status
    assert f"return {whole.rewards.sum():.4g}" in frames[-1].status
    assert "**Over: failure**" in frames[-1].status
    assert [frame.path is None for frame in frames] == [False] * 12 + [True]


@pytest.mark.parametrize("name", TASKS)
def test_the_path_shown_is_the_one_then_taken_and_looking_ahead_touches_nothing(name: str) -> None:
    env = task_config(name)
    simulator, twin, untouched = (make_simulator(env) for _ in range(3))
    actions = np.random.default_rng(0).uniform(-1, 1, (6, simulator.action_size))
    for each in (simulator, untouched):
        each.reset(3)
        each.step(actions[0])
    before = simulator.save_state()
    path = hand_path_ahead(twin, before, actions)
    np.testing.assert_array_equal(simulator.save_state(), before)
    assert np.ptp(path, axis=0).max() > 1e-3
    for action, corner in zip(actions, path[1:], strict=True):
        assert simulator.step(action) == untouched.step(action)
        np.testing.assert_array_equal(simulator.hand(), corner)
    np.testing.assert_array_equal(simulator.save_state(), untouched.save_state())


def test_the_buttons_step_play_and_reset() -> None:
    live = LiveEpisode(quick_planner(), task_config("adroit-door", *SHORT))
    with serving() as server:
        view = LiveView(server, {"": live}, 5, frames_per_second=1000)
        (panel,) = view.panels
        assert "Seed 5, step 0 of 12" in panel.status.content
        view.execute("step")
        assert "step 3 of 12" in panel.status.content
        view.seed.value = 6
        view.execute("reset")
        assert "Seed 6, step 0 of 12" in panel.status.content
        view.execute("play")
        threading.Thread(target=view.run, daemon=True).start()
        wait_for(lambda: "Over" in panel.status.content)
        view.queue("reset")
        wait_for(lambda: "step 0 of 12" in panel.status.content)
        assert not view.playing


def test_what_was_seen_is_shown_again_and_goes_on_from_there() -> None:
    live = LiveEpisode(quick_planner(), task_config("adroit-door", *SHORT))
    with serving() as server:
        view = LiveView(server, {"": live}, 5, frames_per_second=1000)
        (panel,) = view.panels
        first = panel.picture.image
        view.execute("step")
        assert (view.scrub.value, view.scrub.max) == (3, 3)
        assert not np.array_equal(panel.picture.image, first)
        view.scrub.value = 0
        view.execute("scrub")
        assert "step 0 of 12" in panel.status.content
        np.testing.assert_array_equal(panel.picture.image, first)
        view.execute("step")
        assert ("step 1 of 12" in panel.status.content, len(panel.frames)) == (True, 4)
        view.scrub.value = 3
        view.execute("scrub")
        view.speed.value = "4"
        view.execute("step")
        assert ("step 6 of 12" in panel.status.content, view.scrub.max) == (True, 6)


def test_two_planners_start_alike_side_by_side(checkpoint: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "checkpoints" / "pretrain.safetensors"
    save_planner(quick_planner(), other, {"task": "adroit-door", "stage": "pretrain", "seed": 0})
    episodes = load_episodes(rollout_config(checkpoint, beside=other, live=True))
    assert [name.rpartition(": ")[2] for name in episodes] == ["finetune", "pretrain"]
    with serving() as server:
        view = LiveView(server, episodes, 5, frames_per_second=1000)
        view.execute("step")
        one, two = view.panels
        for mine, its in zip(one.frames, two.frames, strict=True):
            np.testing.assert_array_equal(mine.cloud, its.cloud)
            assert mine.marks.keys() == {"object", "goal"}
        assert view.scrub.max == 3
        view.seed.value = 6
        view.execute("reset")
        assert all("Seed 6, step 0" in panel.status.content for panel in view.panels)


def test_two_planners_side_by_side_are_two_of_one_task(checkpoint: Path, tmp_path: Path) -> None:
    pen = tmp_path / "pen" / "checkpoints" / "finetune.safetensors"
    about = {"stage": "finetune", "seed": 0, "task": "adroit-pen"}
    save_planner(quick_planner(24), pen, {**about, "env": asdict(task_config("adroit-pen"))})
    with pytest.raises(InputError, match=r"beside=.* is the planner of checkpoint="):
        load_episodes(rollout_config(checkpoint, beside=checkpoint))
    with pytest.raises(InputError, match="plays adroit-pen"):
        load_episodes(rollout_config(checkpoint, beside=pen))


def wait_for(what: Callable[[], bool], timeout_s: float = 60) -> None:
    end = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def answers(host: str, port: int) -> bool:
    """Tell whether anyone listens there."""
    with socket.socket() as client:
        return client.connect_ex((host, port)) == 0


def test_the_live_view_is_served_to_this_machine_alone_until_it_is_interrupted(
    checkpoint: Path,
) -> None:
    process = start("policy/view.py", f"checkpoint={checkpoint}", "live=true", "port=0", *SHORT)
    assert process.stderr is not None
    line = next(line for line in process.stderr if "http://127.0.0.1:" in line)
    port = int(line.partition("127.0.0.1:")[2].split()[0])
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=30) as answer:
            assert answer.status == 200
            assert b"<html" in answer.read()
        assert not answers("127.0.0.2", port)  # Another of this machine's addresses (Linux).
    finally:
        process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
    assert not answers("127.0.0.1", port)
