"""One episode of a planner, with every frame kept: what it saw, planned and earned."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from envs.config import EnvConfig
from envs.rendering.scene import Scene
from envs.seeding import derive_seed
from envs.vector.chunked_env import ChunkedTask
from perception.camera import Pinhole
from perception.observation import Observation
from policy.planner.planner import Planner
from visualizer.player import Film

METAWORLD_STEP_M = 0.01  # An action of 1 moves Meta-World's hand by a centimetre.


@dataclass(frozen=True)
class Plan:
    """What was planned at a step: the executed chunk, then the rest of the horizon."""

    step: int
    actions: Float[np.ndarray, "planned action"]


@dataclass(frozen=True)
class Played:
    """An episode of a planner; there is one frame before each action and one at the end.

    Attributes:
        points: World-frame clouds.
        states: The robot's state, or the simulator's features where the planner sees those.
        scene_states: What a picture of each frame depends on.
        hands: Where the hand is, world frame, metres.
        rewards: Of each action.
        successes: Whether the goal was reached after it.
        plans: In order; each holds until the next.
    """

    points: Float[np.ndarray, "frame point axis"]
    states: Float[np.ndarray, "frame reading"]
    scene_states: Float[np.ndarray, "frame scene"]
    hands: Float[np.ndarray, "frame 3"]
    rewards: Float[np.ndarray, " time"]
    successes: Bool[np.ndarray, " time"]
    plans: tuple[Plan, ...]

    def succeeded(self, success_at: str) -> bool:
        """Tell whether the episode counts as a success under its task's rule."""
        return succeeded(self.successes, success_at)


def succeeded(successes: Sequence[bool] | Bool[np.ndarray, " time"], success_at: str) -> bool:
    """Tell whether an episode counts as a success, given whether each step reached the goal."""
    return bool(successes[-1] if success_at == "end" else any(successes))


class Playing:
    """An episode of a planner in the making: plan, execute, plan again; every frame is kept.

    Args:
        planner: Acts.
        task: What it acts in, one episode at a time.
        seed: Of the episode; the planner's noise follows from it too.
    """

    def __init__(self, planner: Planner, task: ChunkedTask, seed: int) -> None:
        self._planner, self._task = planner, task
        self._generator = torch.Generator().manual_seed(derive_seed("noise", seed, 0))
        self._observation = task.reset(seed)
        self._frames = [_frame(self._observation, task)]
        self._plans: list[Plan] = []
        self.rewards: list[float] = []
        self.successes: list[bool] = []
        self.done = False

    @property
    def clouds(self) -> list[Float[np.ndarray, "point axis"]]:
        """What was seen so far, a cloud for each frame."""
        return [points for points, *_ in self._frames]

    @torch.no_grad()
    def plan(self) -> Plan:
        """Plan from the present frame on."""
        actions = _plan(self._planner, self._observation, self._generator)
        self._plans.append(Plan(len(self.rewards), actions))
        return self._plans[-1]

    def execute(self) -> None:
        """Execute the chunk of the last plan, as far as the episode goes."""
        # One action at a time: the task then draws every frame, not only those a planner reads.
        for action in self._plans[-1].actions[: self._planner.config.chunk]:
            outcome = self._task.step(action[None])
            self._observation, self.done = outcome.observation, outcome.done
            self._frames.append(_frame(self._observation, self._task))
            self.rewards.append(float(outcome.rewards[0]))
            self.successes.append(outcome.reached)
            if self.done:
                break

    def played(self) -> Played:
        """Give all that was kept."""
        points, states, scene_states, hands = map(np.stack, zip(*self._frames, strict=True))
        rewards, successes = np.array(self.rewards), np.array(self.successes)
        plans = tuple(self._plans)
        return Played(points, states, scene_states, hands, rewards, successes, plans)


def play(planner: Planner, task: ChunkedTask, seed: int) -> Played:
    """Play the episode of a seed, exactly as an evaluation does (`policy.rollouts.rollout`)."""
    playing = Playing(planner, task, seed)
    while not playing.done:
        playing.plan()
        playing.execute()
    return playing.played()


def paths(played: Played, env: EnvConfig) -> list[Float[np.ndarray, "corner 3"]]:
    """Give the planned path of the hand at each frame; nothing where actions are joint targets."""
    if env.simulator != "metaworld":
        return []
    starts = [plan.step for plan in played.plans]
    ends = [*starts[1:], len(played.points)]
    drawn = []
    for plan, start, end in zip(played.plans, starts, ends, strict=True):
        path = planned_path(played.states[start, :3], plan.actions, env.action_repeat)
        drawn += [path] * (end - start)
    return drawn


def planned_path(
    hand: Float[np.ndarray, " 3"], actions: Float[np.ndarray, "planned 4"], action_repeat: int
) -> Float[np.ndarray, "corner 3"]:
    """Follow Meta-World's actions through space: displacements of the hand, from where it is.

    The hand lags behind what it is told, so this is where it is meant to go, in world metres.
    """
    moves_m = actions[:, :3].astype(np.float64) * (METAWORLD_STEP_M * action_repeat)
    return np.concatenate([hand[None], hand + np.cumsum(moves_m, axis=0)])


def draw(
    played: Played, scene: Scene, camera: str, *, size: tuple[int, int]
) -> UInt8[np.ndarray, "frame height width 3"]:
    """Draw every frame as a camera sees it; `size` is (width, height)."""
    pictures = []
    for state in played.scene_states:
        scene.put(state)
        pictures.append(scene.picture(camera, size))
    return np.stack(pictures)


def upright(
    pictures: UInt8[np.ndarray, "frame height width 3"], camera: Pinhole
) -> UInt8[np.ndarray, "frame height width 3"]:
    """Turn the pictures of a camera that hangs upside down (Meta-World's do) by half a turn."""
    hangs = camera.world_from_camera[2, 1] > 0.1  # Its downward axis points up in the world.
    return pictures[:, ::-1, ::-1] if hangs else pictures


def make_film(played: Played, scene: Scene, env: EnvConfig, frames_per_second: float) -> Film:
    """Put together what the planner saw, from where, and where it meant to go."""
    scene.put(played.scene_states[0])
    cameras = {name: scene.camera(name) for name in env.view.cameras}
    size = (env.view.image_size, env.view.image_size)
    return Film(
        played.points,
        cameras,
        frames_per_second,
        pictures={name: draw(played, scene, name, size=size) for name in cameras},
        paths=paths(played, env),
    )


def _plan(
    planner: Planner, observation: Observation[np.ndarray], generator: torch.Generator
) -> Float[np.ndarray, "planned action"]:
    """Plan from the current step to the horizon, in actions of the task."""
    points, state = (
        torch.from_numpy(a)[None] for a in (observation.points, observation.robot_state)
    )
    batch = Observation(points.to(planner.device), state.to(planner.device))
    plan = planner.sample(planner.encode(batch), planner.noises([generator])).plan
    ahead: Tensor = plan[0, planner.config.history - 1 :].clamp(-1, 1)
    return planner.normalizer.actions.inverse(ahead).clamp(-1, 1).cpu().numpy()


def _frame(
    observation: Observation[np.ndarray], task: ChunkedTask
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    simulator = task.simulator
    scene_state, points = simulator.scene_state(), observation.points[-1]
    if not points.size:  # The planner is shown no cloud; whoever looks at the episode is.
        points = task.cloud(scene_state)
    return points, observation.robot_state[-1], scene_state, simulator.hand()
