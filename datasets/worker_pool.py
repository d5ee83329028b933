"""Many independent jobs on a few processes, in order: of this machine, or of a Ray cluster.

A worker that is killed (by the kernel for its memory, by hand) or lost with its node is replaced,
and its job done again.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

from configs.stopping import StopRequest
from datasets.collection.worker import Worker
from envs.vector.answers import EndedError
from envs.vector.ray_actor import Actor, check_launcher
from perception.errors import InputError

logger = logging.getLogger(__name__)

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")
Work = Callable[[JobT], ResultT]
Place = type[Worker] | type[Actor]

LAUNCHERS: dict[str, Place] = {"process": Worker, "ray": Actor}

LOOK_S = 0.2  # How often a request to stop is looked for.
TRIES = 3  # Workers that one job may cost.


def parallel_map(
    make_work: Callable[[], Work[JobT, ResultT]],
    jobs: Iterable[JobT],
    *,
    workers: int,
    launcher: str = "process",
    stop: StopRequest | None = None,
) -> Iterator[ResultT]:
    """Do the jobs and give their results in order.

    Args:
        make_work: Makes the function that does a job, once in each process (it may hold a
            simulator); picklable.
        jobs: Picklable.
        workers: Processes; 0 works in this one.
        launcher: `process`, or `ray` (needs the extra `ray`; runs on the cluster it finds).
        stop: Once it is requested, what was begun is given up, and the results end.

    Raises:
        InputError: The launcher is unknown or not installed, or workers are killed again and again.
    """
    stop = stop or StopRequest()
    check_launcher(launcher, workers)
    if launcher not in LAUNCHERS:
        raise InputError(f"launcher={launcher} is unknown; choose {' or '.join(LAUNCHERS)}")
    if workers == 0:
        yield from _until(stop, map(make_work(), jobs))
    else:
        yield from _Pool(partial(LAUNCHERS[launcher], make_work), jobs, workers, stop).results()


def _until(stop: StopRequest, results: Iterator[ResultT]) -> Iterator[ResultT]:
    """Give results until somebody asks to stop."""
    while not stop.requested:
        try:
            result = next(results)
        except StopIteration:
            return
        yield result


class _Pool:
    """Jobs on processes of their own: numbered, given out, done again where a worker was killed.

    Args:
        hire: Starts a worker.
        jobs: Picklable.
        workers: How many.
        stop: Asked between results.
    """

    def __init__(
        self,
        hire: Callable[[], Any],
        jobs: Iterable[Any],
        workers: int,
        stop: StopRequest,
    ) -> None:
        self._hire, self._jobs, self._stop = hire, enumerate(jobs), stop
        self._crew = [hire() for _ in range(workers)]
        self._given: dict[Any, tuple[int, Any]] = {}  # Numbered jobs, by the worker at it.
        self._lost: list[tuple[int, Any]] = []  # Those whose worker was killed.
        self._killed: dict[int, int] = {}  # How often, by their number.
        self._done: dict[int, Any] = {}
        self._next = 0  # The number of the result to give next.

    def results(self) -> Iterator[Any]:
        """Give the results in order; the processes end with this."""
        try:
            while not self._stop.requested:
                self._give_out()
                if self._next not in self._done and not self._given:
                    return
                self._collect()
                yield from self._ready()
        finally:
            for worker in self._crew:
                worker.end()

    def _ready(self) -> Iterator[Any]:
        """Give what is done, up to the first result that is not."""
        while self._next in self._done:
            self._next += 1
            yield self._done.pop(self._next - 1)

    def _give_out(self) -> None:
        """Give each idle worker a job, but none so far ahead that results pile up."""
        for worker in self._crew:
            if worker not in self._given and (numbered := self._next_job()) is not None:
                self._given[worker] = numbered
                worker.ask(numbered[1])

    def _next_job(self) -> tuple[int, Any] | None:
        if self._lost:
            return self._lost.pop(0)
        return None if len(self._done) > 2 * len(self._crew) else next(self._jobs, None)

    def _collect(self) -> None:
        """Wait a moment for results, and take those that came."""
        for worker in self._crew[0].ready(list(self._given), LOOK_S):
            number, job = self._given.pop(worker)
            try:
                self._done[number] = worker.answer()
            except EndedError as ended:
                if not self._stop.requested:
                    self._replace(worker, number, job, str(ended))

    def _replace(self, worker: Any, number: int, job: Any, why: str) -> None:  # noqa: ANN401
        self._killed[number] = self._killed.get(number, 0) + 1
        if self._killed[number] == TRIES:
            raise InputError(
                f"Worker processes ended {TRIES} times at one job ({why}): try fewer workers=, or"
                " less at once; what was finished is kept, the same command goes on"
            )
        logger.warning("A worker process ended (%s); a new one takes its place", why)
        self._lost.append((number, job))
        time.sleep(LOOK_S)  # Where the reason is a signal to all, this process hears of it too.
        worker.end()
        self._crew[self._crew.index(worker)] = self._hire()
