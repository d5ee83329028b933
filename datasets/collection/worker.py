"""A process that does jobs, seen from both sides; it ends, without a word, when its parent does.

Its interpreter is started plainly, not by `multiprocessing`, which would import the parent's script
before anything of ours: a parent that is killed meanwhile would leave tracebacks, and the process.
"""

import copy
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from envs.vector.parent import deaf_to_interrupts, end_after

START = "import sys; sys.path[:] = {path!r}; from {module} import serve; serve({fd}, {parent})"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class WorkerEndedError(Exception):
    """A worker's process ended before its job was done.

    Attributes:
        job: The job's number, and the job.
        code: Its exit code; negative: the signal that killed it.
    """

    def __init__(self, job: tuple[int, Any], code: int) -> None:
        super().__init__(f"exit code {code}")
        self.job, self.code = job, code


class RemoteError(Exception):
    """What a worker's own traceback said; the cause of the error that is raised here."""


class Worker:
    """A process that does jobs.

    Args:
        make_work: Makes, in that process, the function that does a job; picklable.
    """

    def __init__(self, make_work: Callable[[], Callable[[Any], Any]]) -> None:
        self.pipe, theirs = Pipe()
        self._job: tuple[int, Any] | None = None
        start = START.format(path=sys.path, module=__name__, fd=theirs.fileno(), parent=os.getpid())
        one_core = {name: os.environ.get(name, "1") for name in THREADS}
        with deaf_to_interrupts():
            self._process = subprocess.Popen(
                [sys.executable, "-c", start],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **one_core},
            )
        theirs.close()
        with suppress(ConnectionError):  # One that ended already is met in `take`.
            self.pipe.send(make_work)

    @property
    def busy(self) -> bool:
        """Tell whether it has a job."""
        return self._job is not None

    def give(self, number: int, job: Any) -> None:  # noqa: ANN401
        """Give it a job, and that a number."""
        self._job = number, job
        with suppress(ConnectionError):
            self.pipe.send(job)

    def take(self) -> tuple[int, Any]:
        """Wait for the result; give it with the job's number.

        Raises:
            WorkerEndedError: The process ended before.
        """
        assert self._job is not None
        given, self._job = self._job, None
        try:
            result, error, told = self.pipe.recv()
        except (EOFError, ConnectionError) as ended:
            self.pipe.close()
            raise WorkerEndedError(given, self._process.wait()) from ended
        if error is not None:
            raise error from RemoteError(told)
        return given[0], result

    def end(self) -> None:
        """End the process at once; what it was doing is lost."""
        self.pipe.close()
        self._process.kill()
        self._process.wait()


def serve(fd: int, parent: int) -> None:
    """Do jobs until the parent closes the pipe, or ends."""
    end_after(partial(_until_orphaned, parent), by_kernel=True)
    with suppress(EOFError, ConnectionError), Connection(fd) as pipe:
        work: Callable[[Any], Any] | None = None
        make_work = pipe.recv()
        while True:
            job = pipe.recv()
            answer: tuple[Any, Exception | None, str]
            try:
                work = work or make_work()
                answer = work(job), None, ""
            except Exception as error:  # Raised again in the parent.
                answer = None, error, traceback.format_exc()
            _send(pipe, answer)


def _send(pipe: Connection, answer: tuple[Any, Exception | None, str]) -> None:
    """Send an answer; an error that cannot be made again over there goes as its text."""
    result, error, told = answer
    try:
        copy.copy(error)
    except TypeError:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    pipe.send((result, error, told))


def _until_orphaned(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.3)
