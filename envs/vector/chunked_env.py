"""A task played in chunks of actions: only the frames that a planner reads are rendered.

None are where it reads the simulator's own features instead of clouds or pictures.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from envs.config import EnvConfig
from envs.make import make_scene, make_simulator
from envs.rendering.scene import Scene
from envs.simulator import Simulator, check_action
from envs.state import StateLayout
from perception.errors import InputError
from perception.observation import Observation, Observes

NO_CLOUD = np.zeros((0, 0), np.float32)
SHOWN_POINTS = 512  # Of a cloud for people, where the view has none for the planner.


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


class Scenes:
    """The scenes of one process: one for all simulators whose states it can be put into.

    Args:
        config: The task, and how it is seen.
    """

    def __init__(self, config: EnvConfig) -> None:
        self._config = config
        self._made: dict[tuple[str, StateLayout], Scene] = {}

    def show(self, simulator: Simulator) -> Scene:
        """Give the scene of a simulator, made at the first look: some tasks are never looked at."""
        key = (simulator.model_path, simulator.layout)
        if key not in self._made:
            view = self._config.view
            shown = replace(view, points=view.points or SHOWN_POINTS)
            self._made[key] = make_scene(simulator, replace(self._config, view=shown))
        return self._made[key]


class ChunkedTask:
    """One task, seen through a short history.

    Args:
        config: The task.
        history: Frames in an observation, T_o; before there are as many the first is repeated.
        observes: What an observation holds.
        scenes: Those of other environments of the same task, to be drawn with too.

    Raises:
        InputError: Clouds are to be observed, and the view has no points; or pictures, and it has
            no camera.
    """

    def __init__(
        self,
        config: EnvConfig,
        history: int,
        observes: Observes = "points",
        scenes: Scenes | None = None,
    ) -> None:
        self._config, self._history = config, history
        self._observes = observes
        if observes == "points" and config.view.points == 0:
            raise InputError("This planner sees clouds, and the view has none: give points=")
        if observes == "image" and not config.view.cameras:
            raise InputError("This planner sees pictures, and the view has none: give cameras=")
        self.simulator = make_simulator(config)
        self.scenes = scenes or Scenes(config)
        self._frames: list[tuple[np.ndarray, np.ndarray]] = []
        self._step = 0

    def reset(self, seed: int) -> Observation[np.ndarray]:
        """Start the episode of a seed."""
        self.simulator.reset(seed)
        self._step = 0
        state, robot_state = self._now()
        self._frames = [(self._seen(state), robot_state)] * self._history
        return self._observation()

    def step(self, chunk: Float[np.ndarray, "chunk action"]) -> ChunkOutcome:
        """Execute a chunk, stopping where the episode ends.

        Raises:
            InputError: An action is none of the task's; its step and dimension are named.
        """
        rewards = np.zeros(len(chunk), np.float32)
        moments: list[tuple[np.ndarray, np.ndarray]] = []
        reached = touched = done = False
        for index, action in enumerate(chunk):
            check_action(action, self.simulator.action_size, f" of step {self._step}")
            outcome = self.simulator.step(action)
            self._step += 1
            rewards[index], reached = outcome.reward, outcome.success
            touched = touched or reached
            moments.append(self._now())
            done = outcome.terminated or self._step == self._config.episode_steps
            if done:
                break
        # States are cheap and pictures are not: draw after the chunk what will be looked at.
        seen = [(self._seen(state), r) for state, r in moments[-self._history :]]
        self._frames = (self._frames + seen)[-self._history :]
        return ChunkOutcome(self._observation(), rewards, len(moments), reached, touched, done)

    def cloud(self, state: Float[np.ndarray, " scene"]) -> Float[np.ndarray, "point channel"]:
        """Draw the cloud of a moment, whether or not a planner is shown it."""
        return self.scenes.show(self.simulator).points(state)

    def _seen(self, state: Float[np.ndarray, " scene"]) -> np.ndarray:
        """Draw what the planner is shown of a moment: a cloud, pictures, or neither."""
        if self._observes == "image":
            return self.scenes.show(self.simulator).images(state)
        return self.cloud(state) if self._observes == "points" else NO_CLOUD

    def _now(self) -> tuple[np.ndarray, np.ndarray]:
        simulator = self.simulator
        features = self._observes == "features"
        sensed = simulator.features() if features else simulator.robot_state()
        return simulator.scene_state(), sensed

    def _observation(self) -> Observation[np.ndarray]:
        seen, robot_states = map(np.stack, zip(*self._frames, strict=True))
        if self._observes == "image":
            return Observation(np.stack([NO_CLOUD] * len(seen)), robot_states, seen)
        return Observation(seen, robot_states)
