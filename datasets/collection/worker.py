"""A process that does jobs, seen from both sides; it ends, without a word, when its parent does.

Its interpreter is started plainly, not by `multiprocessing`, which would import the parent's script
before anything of ours: a parent that is killed meanwhile would leave tracebacks, and the process.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any

from envs.vector.answers import Answering, EndedError, result_of
from envs.vector.parent import deaf_to_interrupts, end_after, until_orphaned

START = "import sys; sys.path[:] = {path!r}; from {module} import serve; serve({fd}, {parent})"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Worker:
    """A process that does jobs.

    Args:
        make_work: Makes, in that process, the function that does a job; picklable.
    """

    def __init__(self, make_work: Callable[[], Callable[[Any], Any]]) -> None:
        self._pipe, theirs = Pipe()
        start = START.format(path=sys.path, module=__name__, fd=theirs.fileno(), parent=os.getpid())
        one_core = {name: os.environ.get(name, "1") for name in THREADS}
        with deaf_to_interrupts():
            self._process = subprocess.Popen(
                [sys.executable, "-c", start],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **one_core},
            )
        theirs.close()
        with suppress(ConnectionError):  # One that ended already is met in `answer`.
            self._pipe.send(make_work)

    def ask(self, job: Any) -> None:  # noqa: ANN401
        """Ask for a job; the answer is taken later."""
        with suppress(ConnectionError):
            self._pipe.send(job)

    def answer(self) -> Any:  # noqa: ANN401
        """Wait for what was asked for, and give it.

        Raises:
            EndedError: The process ended before.
        """
        try:
            answer = self._pipe.recv()
        except (EOFError, ConnectionError) as ended:
            self._pipe.close()
            raise EndedError(_why(self._process.wait())) from ended
        return result_of(answer)

    def end(self) -> None:
        """End the process at once; what it was doing is lost."""
        self._pipe.close()
        self._process.kill()
        self._process.wait()

    @staticmethod
    def ready(workers: Sequence["Worker"], timeout_s: float) -> "list[Worker]":
        """Wait for the first answer, but not longer than that; give all who have answered."""
        there = wait([worker._pipe for worker in workers], timeout_s)
        return [worker for worker in workers if worker._pipe in there]


def _why(code: int) -> str:
    """Say how a process ended, by its exit code: negative is the signal that killed it."""
    if code >= 0:
        return f"exit code {code}"
    likely = "; most likely the machine ran out of memory" if code == -signal.SIGKILL else ""
    try:
        return f"signal {signal.Signals(-code).name}{likely}"
    except ValueError:
        return f"signal {-code}"


def serve(fd: int, parent: int) -> None:
    """Do jobs until the parent closes the pipe, or ends."""
    end_after(partial(until_orphaned, parent), by_kernel=True)
    with suppress(EOFError, ConnectionError), Connection(fd) as pipe:
        answering = Answering(pipe.recv())
        while True:
            pipe.send(answering.do(pipe.recv()))
