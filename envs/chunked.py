"""A task played in chunks of actions: only the frames that a planner reads are rendered."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from envs.make import make_scene, make_simulator
from envs.spec import EnvConfig
from perception.observation import Observation


@dataclass(frozen=True)
class ChunkOutcome:
    """What a chunk of actions brought.

    Attributes:
        observation: The last frames, leading axis history.
        rewards: Of each action; 0 after the episode's end.
        taken: How many actions were executed.
        reached: Whether the goal is reached at the last action executed.
        touched: Whether it was reached at any.
        done: Whether the episode is over.
    """

    observation: Observation[np.ndarray]
    rewards: Float[np.ndarray, " chunk"]
    taken: int
    reached: bool
    touched: bool
    done: bool


class ChunkedTask:
    """One task with its scene, seen through a short history.

    Args:
        config: The task.
        history: Frames in an observation, T_o; before there are as many the first is repeated.
    """

    def __init__(self, config: EnvConfig, history: int) -> None:
        self._config, self._history = config, history
        self.simulator = make_simulator(config)
        self._scene = make_scene(self.simulator, config)
        self._frames: list[tuple[np.ndarray, np.ndarray]] = []
        self._step = 0

    def reset(self, seed: int) -> Observation[np.ndarray]:
        """Start the episode of a seed."""
        self.simulator.reset(seed)
        self._step = 0
        state, readings = self._now()
        self._frames = [(self._scene.points(state), readings)] * self._history
        return self._observation()

    def step(self, chunk: Float[np.ndarray, "chunk action"]) -> ChunkOutcome:
        """Execute a chunk, stopping where the episode ends."""
        rewards = np.zeros(len(chunk), np.float32)
        moments: list[tuple[np.ndarray, np.ndarray]] = []
        reached = touched = done = False
        for index, action in enumerate(chunk):
            outcome = self.simulator.step(action)
            self._step += 1
            rewards[index], reached = outcome.reward, outcome.success
            touched = touched or reached
            moments.append(self._now())
            done = outcome.terminated or self._step == self._config.episode_steps
            if done:
                break
        # States are cheap and pictures are not: draw after the chunk what will be looked at.
        seen = [(self._scene.points(state), r) for state, r in moments[-self._history :]]
        self._frames = (self._frames + seen)[-self._history :]
        return ChunkOutcome(self._observation(), rewards, len(moments), reached, touched, done)

    def _now(self) -> tuple[np.ndarray, np.ndarray]:
        return self.simulator.scene_state(), self.simulator.readings()

    def _observation(self) -> Observation[np.ndarray]:
        points, readings = zip(*self._frames, strict=True)
        return Observation(np.stack(points), np.stack(readings))
