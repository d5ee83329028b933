"""Processes forked from one that has imported everything already: see `server.py`."""

import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TextIO

SERVER = Path(__file__).with_name("server.py")
NUMBER = struct.Struct("i")  # How the server sends process ids and exit codes.
# Set by libraries that a test imports (scikit-learn, pygame), by what it calls here (the choices of
# `envs/rendering/gl.py`, `policy/runs/device.py`), or of the test that runs: no script that a user
# starts has them, and each other environment needs a server of its own, which takes seconds.
NOT_THE_USERS = (
    "CUBLAS_WORKSPACE_CONFIG",
    "KMP_DUPLICATE_LIB_OK",
    "KMP_INIT_AT_FORK",
    "MUJOCO_GL",
    "PYGAME_HIDE_SUPPORT_PROMPT",
    "PYOPENGL_PLATFORM",
    "PYTEST_CURRENT_TEST",
    "SDL_AUDIODRIVER",
)
# Read when they are needed and not when a library is imported: a fork takes its own.
READ_LATE = ("HOME", "MINARI_DATASETS_PATH", "MPLCONFIGDIR")


class WarmProcess:
    """A running script, used like `subprocess.Popen` with both streams piped as text."""

    def __init__(self, args: Sequence[str], connection: socket.socket, *streams: TextIO) -> None:
        self.args = args
        self.stdout, self.stderr = streams
        self.returncode: int | None = None
        self._connection = connection
        self.pid = self._read()

    def poll(self) -> int | None:
        """Give the exit code (negative: the signal that ended it), or None while it runs."""
        if self.returncode is None and select.select([self._connection], [], [], 0)[0]:
            self.returncode = self._read()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and give the exit code.

        Raises:
            subprocess.TimeoutExpired: It still runs after so many seconds.
        """
        if self.returncode is None and not select.select([self._connection], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        code = self.poll()
        assert code is not None
        return code

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read both streams to their ends and wait for the process's.

        Raises:
            subprocess.TimeoutExpired: It still ran after so many seconds; it is killed.
        """
        with ThreadPoolExecutor(2) as pool, self.stdout, self.stderr:
            texts = [pool.submit(stream.read) for stream in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            return texts[0].result(), texts[1].result()

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def _read(self) -> int:
        number = self._connection.recv(NUMBER.size, socket.MSG_WAITALL)
        if not number:
            raise RuntimeError("The warm server has ended; its own message is above")
        return int(NUMBER.unpack(number)[0])


class WarmServer:
    """One warm process, which ends with this object."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, str(SERVER), str(theirs.fileno())],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        weakref.finalize(self, _end, self._control, process)  # At the latest at exit.

    def start(self, argv: Sequence[str], cwd: Path, late: dict[str, str]) -> WarmProcess:
        """Start a script (an absolute path, then its arguments) in a fork of the warm process.

        Args:
            argv: What the script finds in `sys.argv`.
            cwd: Where it runs.
            late: Those of `READ_LATE` that it has.
        """
        connection, theirs = socket.socketpair()
        pipes = [os.pipe(), os.pipe()]
        sent = [theirs.fileno(), *(write for _, write in pipes)]
        socket.send_fds(self._control, [b"+"], sent)
        theirs.close()
        for _, write in pipes:
            os.close(write)
        connection.sendall(json.dumps({"argv": argv, "cwd": str(cwd), "late": late}).encode())
        connection.shutdown(socket.SHUT_WR)
        return WarmProcess(argv, connection, *(os.fdopen(read) for read, _ in pipes))


def _end(control: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    """End a warm process; scripts that it started go on."""
    control.close()
    process.wait()


@lru_cache(maxsize=3)  # Some tests set a variable, and the next ones do not.
def _server(environment: frozenset[tuple[str, str]]) -> WarmServer:
    here = {name: os.environ[name] for name in READ_LATE if name in os.environ}
    return WarmServer({**here, **dict(environment)})


def start_warm(argv: Sequence[str], cwd: Path, environment: dict[str, str]) -> WarmProcess:
    """Start a script in a fork of a process that was started with the same environment.

    One with another environment gets a server of its own, since libraries read variables when they
    are imported; but for those that are read late.
    """
    apart = (*NOT_THE_USERS, *READ_LATE)
    early = {name: value for name, value in environment.items() if name not in apart}
    late = {name: environment[name] for name in READ_LATE if name in environment}
    return _server(frozenset(early.items())).start(argv, cwd, late)
