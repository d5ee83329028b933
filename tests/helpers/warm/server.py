"""A process that has imported what the project's scripts import, and forks to run one of them.

    python tests/helpers/warm/server.py CONTROL

A script needs seconds to import Torch, MuJoCo and the rooms; a fork of this process needs none.

CONTROL is the number of an open socket. Each message on it brings three descriptors: a connection,
standard output and standard error. The connection brings `argv`, `cwd` and `late` (variables) as
JSON up to its end, and takes two numbers back: the process's id, and later its exit code. The
server ends when the control socket is closed.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[3])

import atexit
import gc
import importlib
import json
import multiprocessing.process
import os
import pkgutil
import random
import signal
import socket
import threading
from contextlib import suppress
from types import ModuleType
from typing import NoReturn

import numpy as np
from PIL import Image

from configs.command import compose_part
from envs.config import EnvConfig
from envs.vector.chunked_env import ChunkedTask
from tests.helpers.warm.processes import NUMBER, READ_LATE

ROOMS = ("perception", "visualizer", "envs", "datasets", "policy")


def warm_up() -> None:
    """Import every module of the rooms, and do what libraries put off until it is needed first.

    Raises:
        RuntimeError: A thread was started, which a fork would not have.
    """
    for room in ROOMS:
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            with suppress(ImportError):  # Whoever needs the module will say so.
                importlib.import_module(module.name)
    importlib.import_module("torch._dynamo")  # By the first optimiser.
    Image.init()  # By the first picture.
    # A drawn frame makes Numba load what it has compiled.
    env = compose_part(EnvConfig, "env", "adroit-door", ["env.view.geometry=numpy"])
    ChunkedTask(env, history=1).reset(0)
    if threading.active_count() > 1:
        raise RuntimeError(f"Warming up started threads: {threading.enumerate()}")
    gc.collect()
    gc.freeze()  # No collection writes to the memory that forks share.


def wait_for_command(control: socket.socket) -> socket.socket:
    """Wait for commands; return, once for each, in a child process with its streams in place."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 3)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            control.close()
            connection, *streams = descriptors
            for stream, standard in zip(streams, (1, 2), strict=True):
                os.dup2(stream, standard)
                os.close(stream)
            return socket.socket(fileno=connection)
        for descriptor in descriptors:
            os.close(descriptor)


def hand_over(connection: socket.socket) -> list[str]:
    """Fork again: the parent reports how the child ends, and the child gets the command."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection, connection.makefile() as text:
        command = json.loads(text.read())
        pid = os.fork()
        if pid:
            for standard in (1, 2):  # Else they would stay open when the child has closed them.
                os.close(standard)
            connection.sendall(NUMBER.pack(pid))
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            connection.sendall(NUMBER.pack(code))
            os._exit(0)
    for name in READ_LATE:
        os.environ.pop(name, None)
    os.environ.update(command["late"])
    os.chdir(command["cwd"])
    return list(command["argv"])


def become(argv: list[str]) -> ModuleType:
    """Give this process what a new interpreter has before it runs a script."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = argv
    sys.path[0] = str(Path(argv[0]).parent)
    multiprocessing.process.ORIGINAL_DIR = str(Path.cwd())
    random.seed()
    np.random.get_bit_generator().state = np.random.MT19937().state  # Libraries draw from it.
    main = ModuleType("__main__")
    main.__file__ = argv[0]
    sys.modules["__main__"] = main  # Where processes that the script spawns look for its file.
    return main


def run(main: ModuleType) -> NoReturn:
    """Run a script as the interpreter would, to its exit code."""
    path = str(main.__file__)
    code: object = 0
    try:
        exec(compile(Path(path).read_bytes(), path, "exec"), main.__dict__)
    except SystemExit as end:
        code = end.code
    except BaseException as error:
        code = -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
        traceback = error.__traceback__ and error.__traceback__.tb_next  # Without this function.
        sys.excepthook(type(error), error.with_traceback(traceback), traceback)
    finish(code)


def finish(code: object) -> NoReturn:
    """End as the interpreter does, but leave it to the kernel to take the memory back.

    (Taking a thousand modules apart one by one, copied on the first touch, needs half a second.)
    """
    threading._shutdown()
    atexit._run_exitfuncs()
    if not isinstance(code, int | None):
        sys.stderr.write(f"{code}\n")
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    if code == -signal.SIGINT:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit((code or 0) & 0xFF)


if __name__ == "__main__":
    warm_up()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends pytest, and with it the control.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # The kernel removes children that have ended.
    run(become(hand_over(wait_for_command(socket.socket(fileno=int(sys.argv[1]))))))
