"""The processes that environments live in, and the memory they share with the one that steps them.

A worker that is killed (by the kernel for its memory, a fault in native code, by hand) is replaced.
"""

import logging
import multiprocessing
import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from envs.config import EnvConfig
from envs.vector.chunked_env import ChunkedTask
from envs.vector.parent import deaf_to_interrupts, end_with_parent
from perception.errors import InputError
from perception.observation import Observation, Observes

logger = logging.getLogger(__name__)

CAUSES = {  # Likely ones of a signal that nobody here sends.
    signal.SIGKILL: ", most likely for want of memory: fewer envs= or workers= need less",
    signal.SIGBUS: ", most likely for want of shared memory (/dev/shm)",
}


@dataclass(frozen=True)
class Shapes:
    """The sizes that a planner and a task agree on.

    Attributes:
        envs: Episodes at once.
        history: Frames in an observation.
        chunk: Actions executed per step.
        observes: What an observation holds.
        features: Whether the simulator's features are to be had beside observations.
    """

    envs: int
    history: int
    chunk: int
    observes: Observes = "points"
    features: bool = False


Shared = tuple[Any, tuple[int, ...], str]
KINDS: dict[str, type[np.generic]] = {"f": np.float32, "b": np.int8, "B": np.uint8}


def shared_array(shape: tuple[int, ...], kind: str) -> Shared:
    """Reserve memory that child processes see too; `kind` is one of `KINDS`."""
    return multiprocessing.get_context("spawn").RawArray(kind, int(np.prod(shape))), shape, kind


def as_array(shared: Shared) -> np.ndarray:
    """Look at shared memory as an array."""
    raw, shape, kind = shared
    return np.frombuffer(raw, KINDS[kind]).reshape(shape)


class Local:
    """The environments of one process, writing what they see into shared memory."""

    def __init__(
        self,
        config: EnvConfig,
        shapes: Shapes,
        buffers: dict[str, Shared],
        share: list[int],
        first: ChunkedTask | None = None,
    ) -> None:
        self.share = share
        self._arrays = {name: as_array(shared) for name, shared in buffers.items()}
        made = [first or ChunkedTask(config, shapes.history, shapes.observes)]
        for _ in share[1:]:  # All are drawn in the scene of the first.
            made.append(ChunkedTask(config, shapes.history, shapes.observes, scenes=made[0].scenes))
        self._tasks = dict(zip(share, made, strict=True))

    def send(self, command: str, envs: dict[int, int | None]) -> None:
        """Reset (to seeds) or step environments."""
        for env, seed in envs.items():
            if command == "reset" and seed is not None:
                self._show(env, self._tasks[env].reset(seed))
            else:
                self._step(env)

    def wait(self) -> bool:
        """Nothing to wait for."""
        return True

    def close(self) -> None:
        """Nothing to close."""

    def _step(self, env: int) -> None:
        outcome = self._tasks[env].step(self._arrays["chunks"][env])
        self._show(env, outcome.observation)
        self._arrays["rewards"][env] = outcome.rewards
        self._arrays["taken"][env] = outcome.taken
        self._arrays["reached"][env] = outcome.reached
        self._arrays["touched"][env] = outcome.touched
        self._arrays["done"][env] = outcome.done

    def _show(self, env: int, observation: Observation[np.ndarray]) -> None:
        self._arrays["points"][env] = observation.points
        self._arrays["state"][env] = observation.robot_state
        if observation.image is not None:
            self._arrays["image"][env] = observation.image
        if "features" in self._arrays:
            self._arrays["features"][env] = self._tasks[env].simulator.features()


class Process:
    """The same in a process of its own, and in a new one when that is killed."""

    def __init__(
        self, config: EnvConfig, shapes: Shapes, buffers: dict[str, Shared], share: list[int]
    ) -> None:
        self.share = share
        self._given = (config, shapes, buffers, share)
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(variable, "1")
        self._start()

    def send(self, command: str, envs: dict[int, int | None]) -> None:
        """Ask for a command."""
        with suppress(ConnectionError):  # A dead worker is met in `wait`.
            self._pipe.send((command, envs))

    def wait(self) -> bool:
        """Wait until it is done; False: the worker was killed, and a new one stands in its place.

        Raises:
            InputError: What it was asked for cannot be done.
            RuntimeError: The worker ended by an error of its own, which it would meet again.
        """
        try:
            refused = self._pipe.recv()
        except (EOFError, ConnectionError) as error:
            code = self._ended()
            if code >= 0:
                raise RuntimeError(
                    f"An environment worker died (exit code {code}); its own message is above"
                ) from error
            logger.warning(
                "The worker of environments %s was killed (%s)%s; a new one takes its place",
                self.share,
                signal.Signals(-code).name,
                CAUSES.get(signal.Signals(-code), ""),
            )
            self._start()
            return False
        if refused is not None:
            raise InputError(refused)
        return True

    def close(self) -> None:
        """Let the process end."""
        self._pipe.close()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.terminate()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        of_main_thread = threading.current_thread() is threading.main_thread()
        given = (theirs, of_main_thread, *self._given)
        self._process = context.Process(target=_serve, args=given, daemon=True)
        with deaf_to_interrupts():
            self._process.start()
        theirs.close()  # Then the end of the worker is seen as the end of the pipe.

    def _ended(self) -> int:
        """Give the exit code of a worker whose pipe has ended: negative for a signal."""
        self._pipe.close()
        self._process.join()
        return int(self._process.exitcode or 0)


def _serve(
    pipe: Connection,
    of_main_thread: bool,
    config: EnvConfig,
    shapes: Shapes,
    buffers: dict[str, Shared],
    share: list[int],
) -> None:
    """Serve one worker's environments until the parent closes the pipe or ends.

    The answer to a command is None, or why it cannot be done.
    """
    end_with_parent(of_main_thread)
    with suppress(EOFError, ConnectionError):  # The parent needs no more.
        try:
            local = Local(config, shapes, buffers, share)
        except InputError as error:
            pipe.send(str(error))
            return
        while True:
            command, envs = pipe.recv()
            pipe.send(refusal(local, command, envs))


def refusal(local: Local, command: str, envs: dict[int, int | None]) -> str | None:
    """Do a command; say why if it cannot be done."""
    try:
        local.send(command, envs)
    except InputError as error:
        return str(error)
    except MemoryError:
        return "An environment found no memory: fewer envs= or workers= need less"
    return None
