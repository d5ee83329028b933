"""Many independent jobs on a few processes, in order, or on a Ray cluster.

A worker that is killed (by the kernel for its memory, by hand) is replaced, and its job done again.
"""

import logging
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import wait
from typing import Any, TypeVar

from configs.stopping import StopRequest
from datasets.collection.worker import Worker, WorkerEndedError
from perception.errors import InputError

logger = logging.getLogger(__name__)

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")
Work = Callable[[JobT], ResultT]

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
    if workers == 0:
        yield from _until(stop, map(make_work(), jobs))
    elif launcher == "process":
        yield from _Pool(make_work, jobs, workers, stop).results()
    elif launcher == "ray":
        yield from _until(stop, _on_ray(make_work, jobs, workers))
    else:
        raise InputError(f"launcher={launcher} is unknown; choose process or ray")


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
        make_work: As for `parallel_map`.
        jobs: Picklable.
        workers: Processes.
        stop: Asked between results.
    """

    def __init__(
        self, make_work: Callable[[], Any], jobs: Iterable[Any], workers: int, stop: StopRequest
    ) -> None:
        self._make_work, self._jobs, self._stop = make_work, enumerate(jobs), stop
        self._crew = [Worker(make_work) for _ in range(workers)]
        self._lost: list[tuple[int, Any]] = []  # Jobs whose worker was killed.
        self._killed: dict[int, int] = {}  # How often, by their number.
        self._done: dict[int, Any] = {}
        self._next = 0  # The number of the result to give next.

    def results(self) -> Iterator[Any]:
        """Give the results in order; the processes end with this."""
        try:
            while not self._stop.requested:
                self._give_out()
                if self._next not in self._done and not any(w.busy for w in self._crew):
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
            if not worker.busy and (job := self._next_job()) is not None:
                worker.give(*job)

    def _next_job(self) -> tuple[int, Any] | None:
        if self._lost:
            return self._lost.pop(0)
        return None if len(self._done) > 2 * len(self._crew) else next(self._jobs, None)

    def _collect(self) -> None:
        """Wait a moment for results, and take those that came."""
        ready = wait([worker.pipe for worker in self._crew if worker.busy], LOOK_S)
        for place, worker in enumerate(self._crew):
            if worker.pipe not in ready:
                continue
            try:
                number, result = worker.take()
                self._done[number] = result
            except WorkerEndedError as ended:
                if not self._stop.requested:
                    self._replace(place, ended)

    def _replace(self, place: int, ended: WorkerEndedError) -> None:
        number, job = ended.job
        self._killed[number] = self._killed.get(number, 0) + 1
        why = f"signal {_name(-ended.code)}" if ended.code < 0 else f"exit code {ended.code}"
        likely = "; most likely the machine ran out of memory" if ended.code == -9 else ""
        if self._killed[number] == TRIES:
            raise InputError(
                f"Worker processes ended {TRIES} times at one job ({why}{likely}): try fewer"
                " workers=, or less at once; what was finished is kept, the same command goes on"
            )
        logger.warning("A worker process ended (%s%s); a new one takes its place", why, likely)
        self._lost.append((number, job))
        time.sleep(LOOK_S)  # Where the reason is a signal to all, this process hears of it too.
        self._crew[place] = Worker(self._make_work)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _on_ray(
    make_work: Callable[[], Work[JobT, ResultT]], jobs: Iterable[JobT], workers: int
) -> Iterator[ResultT]:
    try:
        import ray  # noqa: PLC0415 (an extra)
        from ray.util import ActorPool  # noqa: PLC0415
    except ImportError as error:
        raise InputError("launcher=ray needs the extra: pip install -e '.[ray]'") from error
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    actor = ray.remote(_RayWorker)
    pool = ActorPool([actor.remote(make_work) for _ in range(workers)])
    yield from pool.map(lambda worker, job: worker.do.remote(job), jobs)


class _RayWorker:
    """One worker on the cluster."""

    def __init__(self, make_work: Callable[[], Work[Any, Any]]) -> None:
        self._work = make_work()

    def do(self, job: Any) -> Any:  # noqa: ANN401
        """Do one job."""
        return self._work(job)
