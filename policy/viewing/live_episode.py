"""An episode played step by step on request: every plan is shown before it is executed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from envs.config import EnvConfig
from envs.make import make_scene, make_simulator
from envs.simulator import Simulator
from envs.success import counts_as_success
from perception.camera import Pinhole, upright
from policy.planner.policy import Policy
from policy.rollouts.episode import Episodes
from policy.rollouts.trajectory import (
    PlannedActions,
    Trajectory,
    make_recorded_env,
    planned_actions,
)
from policy.viewing.film import places_in
from policy.viewing.viewer import choose_camera

PICTURE_SIZE = (320, 240)  # In pixels.


@dataclass(frozen=True)
class LiveFrame:
    """What the planner sees, where its plan takes the hand, and how it goes.

    Attributes:
        cloud: World frame, metres.
        path: Of the hand, if the plan is executed; None where the episode is over.
        picture: By the camera of the view.
        marks: Where object and goal are, if the simulator says it; world frame, metres.
        status: As Markdown.
    """

    cloud: Float[np.ndarray, "point axis"]
    path: Float[np.ndarray, "corner 3"] | None
    picture: UInt8[np.ndarray, "height width 3"]
    marks: Mapping[str, Float[np.ndarray, " 3"]]
    status: str


class LiveEpisode:
    """An episode of a planner, chunk by chunk; stepped to its end, it is `play` of its seed.

    Plans are tried in a second simulator, so that looking ahead changes nothing in the episode.

    Args:
        planner: Acts.
        env: Its task.
        camera: Of the pictures; None chooses it.

    Raises:
        InputError: The planner was made for clouds or robots of another kind; there is no such
            camera.
    """

    def __init__(self, planner: Policy, env: EnvConfig, camera: str | None = None) -> None:
        self._planner, self._env = planner, env
        self._world = make_recorded_env(env, planner)
        self._second_simulator = make_simulator(env)
        self._scene = make_scene(self._world.task.simulator, env)
        self._camera = choose_camera(self._scene, camera)
        self.reset(0)

    def reset(self, seed: int) -> LiveFrame:
        """Start the episode of a seed, and plan."""
        self._seed = seed
        self._episode = Episodes(self._planner, self._world, [seed])
        self._plans: list[PlannedActions] = []
        self._path = self._make_plan()
        return self._frame(0)

    @property
    def done(self) -> bool:
        """Whether the episode is over."""
        return self._episode.done

    def advance(self) -> list[LiveFrame]:
        """Execute the planned chunk and plan again; give the frames this brought, if any."""
        if self.done:
            return []
        before = len(self._world.clouds)
        self._episode.act(self._plan)
        after = len(self._world.clouds)
        frames = [self._frame(index) for index in range(before, after - 1)]
        self._path = None if self.done else self._make_plan()
        return [*frames, self._frame(after - 1)]

    def cameras(self) -> dict[str, Pinhole]:
        """Give the cameras that the planner sees with, as they stand."""
        self._scene.put(self._world.task.simulator.scene_state())
        return {name: self._scene.camera(name) for name in self._env.view.cameras}

    def trajectory(self) -> Trajectory:
        """Give the episode as far as it was played; at least one chunk must have been."""
        return self._world.trajectory(self._plans)

    def _make_plan(self) -> Float[np.ndarray, "corner 3"]:
        """Plan, and give the path that the hand takes if the plan is executed."""
        self._plan = self._episode.plan()
        planned = planned_actions(self._planner, self._plan, len(self._world.actions))
        self._plans.append(planned)
        state = self._world.task.simulator.save_state()
        return hand_path_ahead(self._second_simulator, state, planned.actions)

    def _frame(self, index: int) -> LiveFrame:
        state = self._world.scene_states[index]
        self._scene.put(state)
        taken = self._scene.picture(self._camera, PICTURE_SIZE)
        picture = upright(taken, self._scene.camera(self._camera))
        marks = {name: at[0] for name, at in places_in(state[None], self._second_simulator).items()}
        cloud = self._world.clouds[index]
        return LiveFrame(cloud, self._path, picture, marks, self._status(index))

    def _status(self, step: int) -> str:
        """Say how the episode goes after some steps, as Markdown."""
        rewards, successes = self._world.rewards[:step], self._world.successes[:step]
        at_end, ever = any(successes[-1:]), any(successes)
        lines = [
            f"Seed {self._seed}, step {step} of {self._env.episode_steps}",
            f"Reward {rewards[-1] if rewards else 0:.4g}, return {sum(rewards):.4g}",
            f"Goal reached: {_yes(at_end)} now, {_yes(ever)} at any step",
        ]
        if self.done and step == len(self._world.rewards):
            won = counts_as_success(at_end, ever, self._env.success_at)
            lines.append(f"**Over: {'success' if won else 'failure'}**")
        return "\n\n".join(lines)


def hand_path_ahead(
    simulator: Simulator,
    state: Float[np.ndarray, " number"],
    actions: Float[np.ndarray, "planned action"],
) -> Float[np.ndarray, "corner 3"]:
    """Give the path that the hand takes from a saved state under planned actions.

    Exact: it is what happens if they are executed. `simulator` is a second one of the same task, to
    try them in.
    """
    simulator.restore_state(state)
    path = [simulator.hand()]
    for action in actions:
        terminated = simulator.step(action).terminated
        path.append(simulator.hand())
        if terminated:
            break
    return np.stack(path)


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"
