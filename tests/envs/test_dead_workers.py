"""A worker that is killed costs its own episodes and nothing else."""

import copy
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from envs.vector.vector_env import Shapes, VectorEnv, VectorOutcome
from envs.vector.workers import Process, as_array
from perception.errors import InputError
from policy.finetuning.loop import finetune
from policy.planner.planner import FirstPlan, Planner
from policy.rollouts.evaluation import evaluate
from policy.rollouts.rollout import Rollout, roll_out
from policy.runs.metrics import read_metrics
from policy.runs.run import Run
from tests.conftest import task_config
from tests.helpers.small_planner import SMALL, small_planner

SEEDS = [11, 12, 13]


class Murdered(VectorEnv):
    """Environments whose workers are killed by the operating system as a plan says.

    `deaths` names, for each step to come (counted over all episodes), the workers to kill in it.
    """

    deaths: dict[int, list[int]]
    steps = 0

    def step(self, chunks: np.ndarray) -> VectorOutcome:
        for worker in self.deaths.pop(
            self.steps, []
        ):  # Stopped, then asked for a chunk, then dead.
            os.kill(self.pid(worker), signal.SIGSTOP)
            threading.Timer(0.1, os.kill, (self.pid(worker), signal.SIGKILL)).start()
        self.steps += 1
        return super().step(chunks)

    def kill(self, worker: int) -> None:
        os.kill(self.pid(worker), signal.SIGKILL)

    def pid(self, worker: int) -> int:
        return int(self._workers[worker]._process.pid)


@pytest.fixture(scope="module")
def shared() -> Iterator[Murdered]:
    config = task_config("adroit-door", "env.episode_steps=10", "env.view.points=32")
    made = Murdered(config, Shapes(envs=3, history=2, chunk=3), workers=2)
    yield made
    made.close()


@pytest.fixture
def envs(shared: Murdered) -> Murdered:
    shared.deaths, shared.steps = {}, 0
    return shared


@pytest.fixture(scope="module")
def planner() -> Planner:
    return small_planner().eval()


@pytest.fixture(scope="module")
def whole(shared: Murdered, planner: Planner) -> Rollout:
    shared.deaths, shared.steps = {}, 0
    return rolled(planner, shared)


def rolled(planner: Planner, envs: VectorEnv) -> Rollout:
    return roll_out(planner, envs, SEEDS, success_at="end", decide=FirstPlan(planner, 0.1))


def test_what_others_play_is_as_if_no_worker_had_died(
    envs: Murdered, planner: Planner, whole: Rollout, caplog: pytest.LogCaptureFixture
) -> None:
    envs.deaths = {2: [0]}  # Of environments 0 and 2.
    rest = rolled(planner, envs)
    assert envs.steps == 4
    for name, part in vars(rest.chunks).items():
        assert torch.equal(part, getattr(whole.chunks, name)[:, [1]]), name
    for name, part in vars(rest.episodes).items():
        assert torch.equal(part, getattr(whole.episodes, name)[[1]]), name
    assert rest.steps == 10
    assert "environments [0, 2] was killed (SIGKILL), most likely for want of memory" in caplog.text
    assert "The episodes of environments [0, 2] are discarded" in caplog.text
    again = rolled(planner, envs)  # The new worker serves.
    assert torch.equal(again.chunks.samples, whole.chunks.samples)
    assert torch.equal(again.chunks.rewards, whole.chunks.rewards)


def test_an_episode_that_was_over_is_not_lost(envs: Murdered) -> None:
    envs.reset(SEEDS[:2])
    still = np.zeros((3, 3, 28), np.float32)
    while not (outcome := envs.step(still)).done.all():
        pass
    envs.kill(0)
    assert not envs.step(still).lost.any()
    assert not outcome.lost.any()


def test_where_all_are_lost_all_are_played_again(
    envs: Murdered, planner: Planner, whole: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    envs.deaths = {1: [0, 1]}
    assert torch.equal(rolled(planner, envs).chunks.samples, whole.chunks.samples)
    monkeypatch.setattr("policy.rollouts.rollout.ATTEMPTS", 1)
    envs.deaths = {envs.steps: [0, 1]}
    with pytest.raises(RuntimeError, match=r"1 attempts at seeds \[11, 12, 13\]"):
        rolled(planner, envs)


def test_a_worker_killed_between_episodes_or_as_they_begin(
    envs: Murdered, planner: Planner, whole: Rollout, monkeypatch: pytest.MonkeyPatch
) -> None:
    envs.kill(1)
    assert torch.equal(rolled(planner, envs).chunks.samples, whole.chunks.samples)
    envs.kill(1)
    start = Process._start

    def doomed(self: Process) -> None:
        start(self)
        os.kill(self._process.pid, signal.SIGKILL)

    monkeypatch.setattr(Process, "_start", doomed)
    with pytest.raises(InputError, match=r"killed twice .* most likely for want of memory"):
        envs.reset(SEEDS)


def test_an_error_of_its_own_is_not_hidden_by_a_new_worker(envs: Murdered) -> None:
    envs.reset(SEEDS)
    envs._workers[0].send("reset", {1: 7})  # Not one of its environments: a KeyError there.
    with pytest.raises(RuntimeError, match=r"exit code 1\); its own message is above"):
        envs._workers[0].wait()
    envs._workers[0]._start()


def test_what_an_environment_refuses_is_said_here_and_it_stays_usable(envs: Murdered) -> None:
    envs.reset(SEEDS)
    chunks = np.zeros((3, 3, 28), np.float32)
    chunks[1, 2, 5] = np.nan
    with pytest.raises(InputError, match="environment 1 is nan in dimension 5, at step 2"):
        envs.step(chunks)
    as_array(envs._buffers["chunks"])[:] = chunks  # As if it had not been noticed here.
    with pytest.raises(InputError, match="of step 2 is nan in dimension 5"):
        envs._all("step", dict.fromkeys(range(3)))
    envs.reset(SEEDS)
    assert not envs.step(np.zeros((3, 3, 28), np.float32)).lost.any()


@pytest.mark.parametrize("chunks", [np.zeros((3, 3, 27)), np.zeros((2, 3, 28))])
def test_chunks_of_another_shape_are_refused(envs: Murdered, chunks: np.ndarray) -> None:
    envs.reset(SEEDS)
    with pytest.raises(InputError, match="must be real numbers of shape"):
        envs.step(chunks)


def test_an_evaluation_has_every_seed(envs: Murdered, planner: Planner) -> None:
    seeds = [21, 22, 23, 24]
    undisturbed = evaluate(planner, envs, seeds, success_at="end", quiet=True)
    envs.deaths = {envs.steps + 1: [0]}
    assert evaluate(planner, envs, seeds, success_at="end", quiet=True) == undisturbed
    assert not envs.deaths


def test_fine_tuning_goes_on_with_the_episodes_that_are_left(
    envs: Murdered, planner: Planner, tmp_path: Path
) -> None:
    envs.deaths = {1: [0]}
    run = Run(tmp_path, {"about": {"task": "adroit-door", "seed": 0}})
    tuned = finetune(copy.deepcopy(planner), envs, SMALL, run=run, seed=0, success_at="end")
    assert [line["step"] for line in read_metrics(tmp_path / "finetune.jsonl")] == [2, 5, 6]
    assert all(weights.isfinite().all() for weights in tuned.state_dict().values())
    assert not envs.deaths
