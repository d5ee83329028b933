"""The runs of a grid: one after the other here, several at once, or on a Ray cluster.

A run is `policy/train.py` in a process of its own, which ends with the one that started it. So one
whose node is lost can go on elsewhere, where it had saved, and no two learn in one folder.
"""

import logging
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

from datasets.worker_pool import parallel_map
from envs.vector.parent import end_after, until_orphaned
from perception.errors import InputError
from policy.reports.grid import TRAIN, Experiment, Job, RunExperimentConfig, choose

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
START = f"from {__name__} import follow; follow({{parent}}, {TRAIN!r})"


def run_experiment(experiment: Experiment, config: RunExperimentConfig) -> None:
    """Run what is not finished; what starts from another run's planner comes after that.

    Raises:
        InputError: There is no such cell, or a run failed.
    """
    jobs = choose(experiment, config)
    if config.list:
        for job in jobs:
            logger.info(job.command)
        return
    for wave in _waves(jobs) if config.workers else [jobs]:
        runs = parallel_map(
            partial(make_run, apart=config.workers > 0),
            _unfinished(wave),
            workers=config.workers,
            launcher=config.launcher,
        )
        for failed in filter(None, runs):
            raise InputError(f"{failed}; the same command of the experiment goes on there")


def _waves(jobs: Sequence[Job]) -> Iterator[list[Job]]:
    """Give what may run at once, and then what starts from its planners."""
    for _, wave in groupby(sorted(jobs, key=lambda job: job.wave), key=lambda job: job.wave):
        yield list(wave)


def _unfinished(jobs: Sequence[Job]) -> Iterator[Job]:
    """Give the jobs that are not finished, and say of each where it is as it is given."""
    for number, job in enumerate(jobs, start=1):
        if (ROOT / job.done).exists():
            logger.info("finished before: %s", job.done)
        else:
            logger.info("%d of %d: %s", number, len(jobs), job.command)
            yield job


def make_run(*, apart: bool) -> Callable[[Job], str | None]:
    """Make what does a job, and gives how it failed, or None.

    Args:
        apart: Whether others run beside it: it then keeps to itself what it says, but for an error.
    """

    def run(job: Job) -> str | None:
        start = START.format(parent=os.getpid())
        ended = subprocess.run(
            [sys.executable, "-c", start, *job.arguments],
            cwd=ROOT,
            check=False,
            text=True,
            stdout=subprocess.DEVNULL if apart else None,
            stderr=subprocess.PIPE if apart else None,
        )
        if not ended.returncode:
            return None
        said = (ended.stderr or "").strip().splitlines()[-1:]
        return f"A run ended with exit code {ended.returncode}: {' '.join([job.command, *said])}"

    return run


def follow(parent: int, script: str) -> None:
    """Be a script, from the repository's root, for as long as the parent lives."""
    end_after(partial(until_orphaned, parent), by_kernel=True)
    runpy.run_path(script, run_name="__main__")
