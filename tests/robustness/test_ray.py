"""A Ray cluster of two nodes on this machine, one of which is killed while it works.

Nothing is lost, and the numbers are those of this process alone.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.collection.collector import collect
from datasets.worker_pool import parallel_map
from envs.vector.vector_env import Shapes, VectorEnv, VectorOutcome
from perception.errors import InputError
from policy.reports.grid import Experiment, RunExperimentConfig, Variant
from policy.reports.grid_running import run_experiment
from policy.rollouts.evaluation import evaluate
from tests.conftest import collect_config, task_config
from tests.datasets.test_worker_pool import make_failing, workers_of
from tests.helpers.killing import assert_equal, grown
from tests.helpers.small_planner import small_planner

ray = pytest.importorskip("ray", reason="an extra: pip install -e '.[ray]'")
SEES_DEATHS = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 500,
    "health_check_failure_threshold": 4,
}
SIZE = {"num_cpus": 1, "object_store_memory": 80_000_000}


class TwoNodes:
    """A cluster whose second node can be killed, and is there again for the next test."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster  # noqa: PLC0415 (an extra)

        head = {
            **SIZE,
            "include_dashboard": False,
            "include_log_monitor": False,
            "no_monitor": True,
            "_system_config": SEES_DEATHS,
        }
        self._cluster: Any = Cluster()
        self._second: Any = None
        self._node(**head)
        self.whole()
        ray.init(address=self._cluster.address, log_to_driver=False)

    def whole(self) -> None:
        """Start the second node if it is gone."""
        if self._second is None:
            self._second = self._node(**SIZE)

    def _node(self, **given: Any) -> Any:  # noqa: ANN401
        """Start a node; Ray waits for 30 seconds, and no setting of it changes that."""
        try:
            return self._cluster.add_node(**given)
        except Exception as error:
            if "timed out during startup" not in str(error):
                raise
            pytest.skip("this machine is too busy: a node of Ray needs over 30 s to start")

    def kill(self) -> None:
        """Kill the second node, and all that runs on it, at once, as a machine goes."""
        second, self._second = self._second, None
        workers = list(workers_of(second.all_processes["raylet"][0].process.pid))
        self._cluster.remove_node(second, allow_graceful=False)
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)

    def kill_when(self, begun: Callable[[], bool]) -> threading.Thread:
        """Kill it as soon as something has begun."""

        def watch() -> None:
            while not begun():
                time.sleep(0.02)
            self.kill()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        return thread

    def end(self) -> None:
        """Stop everything."""
        ray.shutdown()
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def started() -> Iterator[TwoNodes]:
    nodes = TwoNodes()
    yield nodes
    nodes.end()


@pytest.fixture
def nodes(started: TwoNodes) -> TwoNodes:
    started.whole()
    return started


def test_an_error_over_there_is_raised_here(nodes: TwoNodes) -> None:
    results = parallel_map(make_failing, range(12), workers=1, launcher="ray")
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(InputError, match="two is refused"):
        next(results)


def test_a_collection_loses_a_node(
    nodes: TwoNodes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out, whole = tmp_path / "out.zarr", tmp_path / "whole.zarr"
    config = collect_config(whole, episodes=30)
    collect(config)
    killing = nodes.kill_when(grown(out, 1))
    collect(replace(config, out=out, launcher="ray", workers=2))
    killing.join()
    assert "a new one takes its place" in caplog.text
    assert_equal(out, whole)


class OnLosingNode(VectorEnv):
    """Environments whose second node is killed before a step, counted over all episodes."""

    nodes: TwoNodes
    fatal = -1
    steps = 0

    def step(self, chunks: np.ndarray) -> VectorOutcome:
        if self.steps == self.fatal:
            self.nodes.kill()
        self.steps += 1
        return super().step(chunks)


def test_an_evaluation_loses_a_node(nodes: TwoNodes, caplog: pytest.LogCaptureFixture) -> None:
    task = task_config("adroit-door", "env.episode_steps=10", "env.view.points=32")
    shapes, planner = Shapes(envs=2, history=2, chunk=3), small_planner().eval()
    here = VectorEnv(task, shapes, workers=0)
    seeds, success_at = [21, 22, 23, 24], "end"
    alone = evaluate(planner, here, seeds, success_at=success_at, quiet=True)
    there = OnLosingNode(task, shapes, workers=2, launcher="ray")
    there.nodes, there.fatal = nodes, 5  # In the second half of the episodes.
    assert evaluate(planner, there, seeds, success_at=success_at, quiet=True) == alone
    assert "was lost" in caplog.text
    assert "are discarded" in caplog.text
    there.close()


def figures(results: Path) -> dict[str, Any]:
    own = ("successes", "mean_return", "env_steps", "gradient_steps")
    return {
        str(file.relative_to(results)): [json.loads(file.read_text())[key] for key in own]
        for file in sorted(results.rglob("seed*.json"))
    }


def test_a_grid_loses_a_node(
    nodes: TwoNodes, tiny_store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shared = (
        "env.episode_steps=12", "env.view.points=64", "denoiser=unet-small", "pretrain.steps=2",
        "planner.denoising_steps=10", "planner.sampling_steps=2", "pretrain.batch=8",
        "episodes=2", "envs=2", "workers=0", "threads=1", "stage=zero_shot",
    )  # fmt: skip
    planners = {"start": ("env=adroit-door", f"data={tiny_store}")}
    tasks = {"adroit-door": ("env=adroit-door",)}
    grid = Experiment("small", shared, planners, tasks, {"bc": Variant("start", ())}, (0, 1))
    here = RunExperimentConfig(
        "small", list=False, cell=None, only="all", workers=0, launcher="process",
        outputs=tmp_path / "outputs", results=tmp_path / "here",
    )  # fmt: skip
    run_experiment(grid, here)
    there = replace(here, workers=2, launcher="ray", only="cells", results=tmp_path / "there")
    cells = [tmp_path / "outputs/small/adroit-door/bc" / f"seed{seed}" for seed in (0, 1)]
    for folder in cells:
        folder.rename(folder.with_name(f"{folder.name}-here"))
    killing = nodes.kill_when(lambda: all(folder.exists() for folder in cells))
    run_experiment(grid, there)
    killing.join()
    assert "a new one takes its place" in caplog.text
    assert figures(there.results) == figures(here.results)
    assert len(figures(here.results)) == 2
