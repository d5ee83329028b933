"""Many episodes of a task at once, on several processes with shared memory."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from envs.config import EnvConfig
from envs.make import settled
from envs.vector.chunked_env import ChunkedTask
from envs.vector.ray_actor import check_launcher
from envs.vector.ray_envs import OnRay
from envs.vector.workers import Local, Process, Shapes, Shared, as_array, shared_array
from perception.errors import InputError
from perception.observation import Observation

__all__ = ["Shapes", "VectorEnv", "VectorOutcome"]

logger = logging.getLogger(__name__)

Apart = Process | OnRay
LAUNCHERS: dict[str, type[Apart]] = {"process": Process, "ray": OnRay}


@dataclass(frozen=True)
class VectorOutcome:
    """What a step of all environments brought; see `ChunkOutcome`."""

    observations: Observation[np.ndarray]  # Leading axes: env, history.
    rewards: Float[np.ndarray, "env chunk"]
    taken: Int[np.ndarray, " env"]
    reached: Bool[np.ndarray, " env"]
    touched: Bool[np.ndarray, " env"]
    done: Bool[np.ndarray, " env"]
    lost: Bool[np.ndarray, " env"]  # Cut off, since `reset`, by the end of its worker: also done.


class VectorEnv:
    """Environments of one task, stepped together; results do not depend on the number of workers.

    Args:
        config: The task.
        shapes: See `Shapes`.
        workers: Processes to share the environments among; 0 works in this one.
        launcher: Where they live: `process` (this machine), or `ray` (a cluster; an extra).

    Raises:
        InputError: There is no cluster; or the planner is shown what the view does not have.
    """

    def __init__(
        self, config: EnvConfig, shapes: Shapes, *, workers: int, launcher: str = "process"
    ) -> None:
        check_launcher(launcher, workers)
        self.shapes, config = shapes, settled(config)
        first = ChunkedTask(config, shapes.history, shapes.observes)
        look = first.reset(0)
        self.sizes = {
            "channels": look.channels,
            "robot_state": look.robot_state.shape[-1],
            "actions": first.simulator.action_size,
        }
        lead = (shapes.envs, shapes.history)
        self._buffers: dict[str, Shared] = {
            "points": shared_array((*lead, *look.points.shape[1:]), "f"),
            "state": shared_array((*lead, self.sizes["robot_state"]), "f"),
            "chunks": shared_array((shapes.envs, shapes.chunk, self.sizes["actions"]), "f"),
            "rewards": shared_array((shapes.envs, shapes.chunk), "f"),
            "taken": shared_array((shapes.envs,), "b"),
            "reached": shared_array((shapes.envs,), "b"),
            "touched": shared_array((shapes.envs,), "b"),
            "done": shared_array((shapes.envs,), "b"),
        }
        if look.image is not None:
            self._buffers["image"] = shared_array((*lead, *look.image.shape[1:]), "B")
        if shapes.features:
            width = len(first.simulator.features())
            self._buffers["features"] = shared_array((shapes.envs, width), "f")
        self._done, self._lost = np.ones(shapes.envs, bool), np.zeros(shapes.envs, bool)
        shares = [list(range(w, shapes.envs, max(workers, 1))) for w in range(max(workers, 1))]
        self._workers: list[Apart | Local]
        if workers == 0:
            self._workers = [Local(config, shapes, self._buffers, shares[0], first)]
        else:
            used = [share for share in shares if share]
            make = LAUNCHERS[launcher]
            self._workers = [make(config, shapes, self._buffers, share) for share in used]

    def reset(self, seeds: Sequence[int]) -> Observation[np.ndarray]:
        """Start the episodes of as many seeds as there are environments, or fewer.

        Environments beyond the seeds stay idle: they count as done. Where a worker is killed, its
        episodes are started again in a new one.

        Raises:
            InputError: A new worker was killed too.
        """
        self._done[:] = np.arange(self.shapes.envs) >= len(seeds)
        self._lost[:] = False
        wanted = {env: int(seed) for env, seed in enumerate(seeds)}
        again = {env: wanted[env] for env in self._all("reset", wanted)}
        if self._all("reset", again):
            raise InputError(
                "An environment worker was killed twice while its episodes were to begin, most"
                " likely for want of memory: fewer envs= or workers= need less"
            )
        return self._observations()

    def step(self, chunks: Float[np.ndarray, "env chunk action"]) -> VectorOutcome:
        """Execute a chunk in each environment whose episode is not over.

        The episodes of a worker that is killed are lost; what else was played goes on.

        Raises:
            InputError: A number of an action is not finite; or what an environment refuses.
        """
        shown = {name: as_array(shared) for name, shared in self._buffers.items()}
        self._check(chunks)
        shown["chunks"][:] = chunks
        for name in ("rewards", "taken", "reached", "touched"):
            shown[name][:] = 0
        active = np.flatnonzero(~self._done)
        lost = self._all("step", {int(env): None for env in active})
        self._done[active] = shown["done"][active]
        if lost:
            logger.warning("The episodes of environments %s are discarded", lost)
            self._lost[lost] = self._done[lost] = True
            for name in ("rewards", "taken", "reached", "touched"):
                shown[name][lost] = 0  # Whatever a worker wrote before its end.
        return VectorOutcome(
            self._observations(),
            shown["rewards"].copy(),
            shown["taken"].astype(np.int64),
            shown["reached"].astype(bool),
            shown["touched"].astype(bool),
            self._done.copy(),
            self._lost.copy(),
        )

    @property
    def features(self) -> Float[np.ndarray, "env feature"]:
        """The simulator's features of this moment; of no width where they were not asked for."""
        if "features" not in self._buffers:
            return np.zeros((self.shapes.envs, 0), np.float32)
        return as_array(self._buffers["features"]).copy()

    def close(self) -> None:
        """End the worker processes."""
        for worker in self._workers:
            worker.close()

    def _all(self, command: str, envs: Mapping[int, int | None]) -> list[int]:
        """Have a command done by all it concerns; give the environments whose worker was killed."""
        parts = [{e: v for e, v in envs.items() if e in w.share} for w in self._workers]
        asked = [(worker, part) for worker, part in zip(self._workers, parts, strict=True) if part]
        for worker, part in asked:
            worker.send(command, part)
        killed, refusals = [], []
        for worker, part in asked:
            try:
                killed += [] if worker.wait() else list(part)
            except InputError as error:  # Raised when all have answered: they stay usable.
                refusals.append(error)
        if refusals:
            raise refusals[0]
        return killed

    def _check(self, chunks: Float[np.ndarray, "env chunk action"]) -> None:
        """Refuse chunks of another shape, and what is not finite for an episode that goes on."""
        wanted = (self.shapes.envs, self.shapes.chunk, self.sizes["actions"])
        if chunks.shape != wanted or chunks.dtype.kind not in "fiu":
            raise InputError(
                f"Chunks must be real numbers of shape {wanted}, not {chunks.dtype} of"
                f" {chunks.shape}"
            )
        bad = ~np.isfinite(chunks.astype(np.float32)) & ~self._done[:, None, None]
        for env, step, dimension in np.argwhere(bad)[:1]:
            raise InputError(
                f"The action of environment {env} is {chunks[env, step, dimension]} in dimension"
                f" {dimension}, at step {step} of the chunk: tasks take finite numbers in [-1, 1]"
            )

    def _observations(self) -> Observation[np.ndarray]:
        points, state = (as_array(self._buffers[name]).copy() for name in ("points", "state"))
        if "image" not in self._buffers:
            return Observation(points, state)
        return Observation(points, state, as_array(self._buffers["image"]).copy())
