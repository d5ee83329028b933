"""Many episodes of a task at once, on several processes with shared memory."""

import multiprocessing
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from envs.chunked import ChunkedTask
from envs.make import settled
from envs.spec import EnvConfig
from perception.observation import Observation


@dataclass(frozen=True)
class Shapes:
    """The sizes that a planner and a task agree on.

    Attributes:
        envs: Episodes at once.
        history: Frames in an observation.
        chunk: Actions executed per step.
    """

    envs: int
    history: int
    chunk: int


@dataclass(frozen=True)
class VectorOutcome:
    """What a step of all environments brought; see `ChunkOutcome`."""

    observations: Observation[np.ndarray]  # Leading axes: env, history.
    rewards: Float[np.ndarray, "env chunk"]
    taken: Int[np.ndarray, " env"]
    reached: Bool[np.ndarray, " env"]
    touched: Bool[np.ndarray, " env"]
    done: Bool[np.ndarray, " env"]


class VectorEnv:
    """Environments of one task, stepped together; results do not depend on the number of workers.

    Args:
        config: The task.
        shapes: See `Shapes`.
        workers: Processes to share the environments among; 0 works in this one.

    Attributes:
        lengths: Agent steps taken in each environment since its reset.
        at_end: Whether the goal was reached at the last of them.
    """

    def __init__(self, config: EnvConfig, shapes: Shapes, *, workers: int) -> None:
        self.shapes, config = shapes, settled(config)
        first = ChunkedTask(config, shapes.history)
        look = first.reset(0)
        self.sizes = {
            "channels": look.points.shape[-1],
            "readings": look.state.shape[-1],
            "actions": first.simulator.action_size,
        }
        lead = (shapes.envs, shapes.history)
        self._buffers = {
            "points": _shared((*lead, *look.points.shape[1:]), "f"),
            "state": _shared((*lead, self.sizes["readings"]), "f"),
            "chunks": _shared((shapes.envs, shapes.chunk, self.sizes["actions"]), "f"),
            "rewards": _shared((shapes.envs, shapes.chunk), "f"),
            "taken": _shared((shapes.envs,), "b"),
            "reached": _shared((shapes.envs,), "b"),
            "touched": _shared((shapes.envs,), "b"),
            "done": _shared((shapes.envs,), "b"),
        }
        self._done = np.ones(shapes.envs, bool)
        self.lengths = np.zeros(shapes.envs, np.int64)
        self.at_end = np.zeros(shapes.envs, bool)
        shares = [list(range(w, shapes.envs, max(workers, 1))) for w in range(max(workers, 1))]
        self._workers: list[_Process | _Local]
        if workers == 0:
            self._workers = [_Local(config, shapes, self._buffers, shares[0], first)]
        else:
            used = [share for share in shares if share]
            self._workers = [_Process(config, shapes, self._buffers, share) for share in used]

    def reset(self, seeds: Sequence[int]) -> Observation[np.ndarray]:
        """Start the episodes of as many seeds as there are environments, or fewer.

        Environments beyond the seeds stay idle: they count as done.
        """
        self._done[:] = np.arange(self.shapes.envs) >= len(seeds)
        # Made anew: whoever keeps the last episodes' keeps those.
        self.lengths, self.at_end = np.zeros_like(self.lengths), np.zeros_like(self.at_end)
        self._all("reset", dict(enumerate(int(seed) for seed in seeds)))
        return self._observations()

    def step(self, chunks: Float[np.ndarray, "env chunk action"]) -> VectorOutcome:
        """Execute a chunk in each environment whose episode is not over."""
        shown = {name: _array(shared) for name, shared in self._buffers.items()}
        shown["chunks"][:] = chunks
        for name in ("rewards", "taken", "reached", "touched"):
            shown[name][:] = 0
        active = np.flatnonzero(~self._done)
        self._all("step", {int(env): None for env in active})
        self._done[active] = shown["done"][active]
        self.lengths += shown["taken"]
        self.at_end[active] = shown["reached"][active]
        return VectorOutcome(
            self._observations(),
            shown["rewards"].copy(),
            shown["taken"].astype(np.int64),
            shown["reached"].astype(bool),
            shown["touched"].astype(bool),
            self._done.copy(),
        )

    def close(self) -> None:
        """End the worker processes."""
        for worker in self._workers:
            worker.close()

    def _all(self, command: str, envs: dict[int, int | None]) -> None:
        for worker in self._workers:
            worker.send(command, {e: v for e, v in envs.items() if e in worker.share})
        for worker in self._workers:
            worker.wait()

    def _observations(self) -> Observation[np.ndarray]:
        points, state = (_array(self._buffers[name]).copy() for name in ("points", "state"))
        return Observation(points, state)


Shared = tuple[Any, tuple[int, ...], str]


def _shared(shape: tuple[int, ...], kind: str) -> Shared:
    """Reserve memory that child processes see too; `kind` is `f` (float32) or `b` (a byte)."""
    return multiprocessing.get_context("spawn").RawArray(kind, int(np.prod(shape))), shape, kind


def _array(shared: Shared) -> np.ndarray:
    raw, shape, kind = shared
    return np.frombuffer(raw, np.float32 if kind == "f" else np.int8).reshape(shape)


class _Local:
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
        self._arrays = {name: _array(shared) for name, shared in buffers.items()}
        made = [first] if first is not None else []
        made += [ChunkedTask(config, shapes.history) for _ in share[len(made) :]]
        self._tasks = dict(zip(share, made, strict=True))

    def send(self, command: str, envs: dict[int, int | None]) -> None:
        """Reset (to seeds) or step environments."""
        for env, seed in envs.items():
            if command == "reset" and seed is not None:
                self._show(env, self._tasks[env].reset(seed))
            else:
                self._step(env)

    def wait(self) -> None:
        """Nothing to wait for."""

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
        self._arrays["state"][env] = observation.state


class _Process:
    """The same in a process of its own."""

    def __init__(
        self, config: EnvConfig, shapes: Shapes, buffers: dict[str, Shared], share: list[int]
    ) -> None:
        self.share = share
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(variable, "1")
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, config, shapes, buffers, share), daemon=True
        )
        self._process.start()
        theirs.close()  # Then the end of the worker is seen as the end of the pipe.

    def send(self, command: str, envs: dict[int, int | None]) -> None:
        """Ask for a command."""
        self._pipe.send((command, envs))

    def wait(self) -> None:
        """Wait until it is done.

        Raises:
            RuntimeError: The worker died.
        """
        try:
            self._pipe.recv()
        except EOFError as error:
            raise RuntimeError(
                f"An environment worker died (exit code {self._process.exitcode}); its own message"
                " is above"
            ) from error

    def close(self) -> None:
        """Let the process end."""
        self._pipe.close()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.terminate()


def _serve(
    pipe: Connection,
    config: EnvConfig,
    shapes: Shapes,
    buffers: dict[str, Shared],
    share: list[int],
) -> None:
    """Serve one worker's environments until the parent closes the pipe or ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    local = _Local(config, shapes, buffers, share)
    while True:
        try:
            command, envs = pipe.recv()
        except EOFError:
            return
        local.send(command, envs)
        pipe.send(None)
