"""Many independent jobs on a few processes, in order, or on a Ray cluster."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

from perception.errors import InputError

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")
Work = Callable[[JobT], ResultT]

_PREPARED: list[Work[Any, Any]] = []  # In a worker process, what it does; see `_begin`.


def parallel_map(
    make_work: Callable[[], Work[JobT, ResultT]],
    jobs: Iterable[JobT],
    *,
    workers: int,
    launcher: str = "process",
) -> Iterator[ResultT]:
    """Do the jobs and give their results in order.

    Args:
        make_work: Makes the function that does a job, once in each process (it may hold a
            simulator); picklable.
        jobs: Picklable.
        workers: Processes; 0 works in this one.
        launcher: `process`, or `ray` (needs the extra `ray`; runs on the cluster it finds).

    Raises:
        InputError: The launcher is unknown or not installed.
    """
    if workers == 0:
        yield from map(make_work(), jobs)
    elif launcher == "process":
        yield from _on_processes(make_work, jobs, workers)
    elif launcher == "ray":
        yield from _on_ray(make_work, jobs, workers)
    else:
        raise InputError(f"launcher={launcher} is unknown; choose process or ray")


def _on_processes(
    make_work: Callable[[], Work[JobT, ResultT]], jobs: Iterable[JobT], workers: int
) -> Iterator[ResultT]:
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # One core a worker; inherited by what is spawned.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _begin, (make_work,))
    pending: deque[Any] = deque()
    try:
        for job in jobs:
            pending.append(pool.submit(_do, job))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(make_work: Callable[[], Work[Any, Any]]) -> None:
    """Prepare a worker: leave Ctrl-C to the parent, and end when it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _PREPARED[:] = [make_work()]


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(job: Any) -> Any:  # noqa: ANN401
    (work,) = _PREPARED
    return work(job)


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
