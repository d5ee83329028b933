"""Looking at planners: the table, the failures, and an episode played by hand in the browser."""

import io
import signal
import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from configs.command import compose
from envs.make import make_simulator
from envs.vector.chunked_env import ChunkedTask
from envs.vector.vector_env import Shapes, VectorEnv
from perception.errors import InputError
from policy.evaluate import outcome_table
from policy.planner.checkpoint import save_planner
from policy.rollouts.episode import play
from policy.rollouts.evaluation import Evaluation, evaluate, evaluation_seeds, read_evaluation
from policy.rollouts.loading import EvaluateConfig, judge
from policy.viewing.failures_page import failures_page, write_failures
from policy.viewing.live_episode import LiveEpisode, foresee
from policy.viewing.live_view import LiveView
from policy.viewing.viewer import open_studio
from tests.conftest import task_config
from tests.helpers.commands import start
from tests.policy.test_view import FETCHED, SHORT, make_planner
from visualizer.player import serving

TASKS = ["adroit-door", "adroit-hammer", "adroit-pen", "metaworld-drawer-open"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "checkpoints" / "finetune.safetensors"
    save_planner(make_planner(), path, {"task": "adroit-door", "stage": "finetune", "seed": 0})
    return path


def evaluate_config(checkpoint: Path, *overrides: str) -> EvaluateConfig:
    small = ["episodes=3", "envs=2", "workers=0", "threads=1", "device=cpu", *SHORT]
    return compose(EvaluateConfig, "evaluate", [f"checkpoint={checkpoint}", *small, *overrides])


# The table and the failures


def test_an_evaluation_tells_how_long_its_episodes_were_and_how_they_ended() -> None:
    # A random planner drops the pen, each episode at a step of its own.
    env = task_config("adroit-pen", "env.view.points=64")
    planner, seeds = make_planner(actions=24), evaluation_seeds(0, 3)
    envs = VectorEnv(env, Shapes(envs=2, history=2, chunk=3), workers=0)
    found = evaluate(planner, envs, seeds, success_at="ever", quiet=True)
    alone = [play(planner, ChunkedTask(env, 2), seed) for seed in seeds]
    assert found.lengths == tuple(len(played.rewards) for played in alone)
    assert min(found.lengths) < 50
    assert found.at_end == tuple(bool(played.successes[-1]) for played in alone)


def test_the_table_counts_and_gives_wilsons_interval(tmp_path: Path) -> None:
    config = evaluate_config(tmp_path / "x.safetensors")
    at_end = (True, *(False,) * 9)
    ever, lengths = (True,) * 5 + (False,) * 5, (12,) * 9 + (2,)
    found = Evaluation(at_end, ever, (1.0,) * 10, tuple(range(10)), lengths, at_end)
    kept = io.StringIO()
    Console(file=kept, width=200).print(outcome_table(found, config))
    told = kept.getvalue()
    assert "success at the last step (counts for this task)" in told
    assert "1 = 10.0%" in told
    assert "23.7% to 76.3%" in told  # Five of ten: see test_evaluation.
    assert "11.0 (2 to 12)" in told


def test_the_first_failures_are_shown_with_their_seeds(checkpoint: Path, tmp_path: Path) -> None:
    config = evaluate_config(checkpoint, f"out={tmp_path}", "gallery=2")
    found = judge(config)
    assert found.failures == found.seeds  # Nobody opens a door in twelve steps.
    assert read_evaluation(tmp_path, "finetune") == found
    written = write_failures(config, found).read_text()
    assert not FETCHED.search(written)
    assert [f"seed {seed}<" in written for seed in found.seeds] == [True, True, False]
    assert written.count("srcdoc=") == written.count("data:video/mp4;base64,") == 2
    assert sorted(p.name for p in tmp_path.glob("*.mp4")) == ["failures-0.mp4", "failures-1.mp4"]
    assert "When evaluated it failed" not in written


def test_a_failure_that_does_not_fail_again_is_said_to_succeed(tmp_path: Path) -> None:
    env = task_config("adroit-door", *SHORT)
    planner = make_planner()
    shown = open_studio(planner, env, None, size=(64, 48)).record(3, tmp_path / "a.mp4", 20)
    won = replace(shown, played=replace(shown.played, successes=np.ones(12, bool)))
    lost = Evaluation((False,), (False,), (0.0,), (3,), (12,), (False,))
    written = failures_page(planner, {"stage": "finetune"}, env, lost, {3: won})
    assert "When evaluated it failed; played again it is a success in 12 steps" in written


def test_where_nothing_failed_the_page_says_so(checkpoint: Path, tmp_path: Path) -> None:
    won = Evaluation((True,), (True,), (0.0,), (3,), (12,), (True,))
    written = write_failures(evaluate_config(checkpoint, f"out={tmp_path}"), won).read_text()
    assert "No episode failed" in written
    assert "srcdoc=" not in written


def test_less_than_no_failures_are_refused(checkpoint: Path) -> None:
    with pytest.raises(InputError, match="gallery must be 0 or more"):
        judge(evaluate_config(checkpoint, "gallery=-1"))


# An episode played by hand


def test_stepped_to_its_end_a_live_episode_is_the_played_one() -> None:
    env = task_config("adroit-door", *SHORT)
    planner, live = make_planner(), LiveEpisode(make_planner(), env)
    live.advance()
    first = live.reset(5)
    frames = [first]
    while not live.done:
        frames += live.advance()
    assert live.advance() == []
    mine, played = live.played(), play(planner, ChunkedTask(env, 2), 5)
    for name in ("points", "states", "scene_states", "rewards", "successes"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(played, name))
    for one, other in zip(mine.plans, played.plans, strict=True):
        assert one.step == other.step
        np.testing.assert_array_equal(one.actions, other.actions)
    np.testing.assert_array_equal(np.stack([frame.cloud for frame in frames]), played.points)
    assert "step 0 of 12" in first.told
    assert f"return {played.rewards.sum():.4g}" in frames[-1].told
    assert "**Over: failure**" in frames[-1].told
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
    path = foresee(twin, before, actions)
    np.testing.assert_array_equal(simulator.save_state(), before)
    assert np.ptp(path, axis=0).max() > 1e-3
    for action, corner in zip(actions, path[1:], strict=True):
        assert simulator.step(action) == untouched.step(action)
        np.testing.assert_array_equal(simulator.hand(), corner)
    np.testing.assert_array_equal(simulator.save_state(), untouched.save_state())


def test_the_buttons_step_play_and_reset() -> None:
    live = LiveEpisode(make_planner(), task_config("adroit-door", *SHORT))
    with serving() as server:
        view = LiveView(server, live, 5, frames_per_second=1000)
        assert "Seed 5, step 0 of 12" in view.told.content
        view.do("step")
        assert "step 3 of 12" in view.told.content
        view.seed.value = 6
        view.do("reset")
        assert "Seed 6, step 0 of 12" in view.told.content
        view.do("play")
        threading.Thread(target=view.run, daemon=True).start()
        wait_for(lambda: "Over" in view.told.content)
        view.ask("reset")
        wait_for(lambda: "step 0 of 12" in view.told.content)
        assert not view.playing


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
