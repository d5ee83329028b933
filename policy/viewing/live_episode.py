"""An episode played by hand: a planner steps when told to, and shows where it means to go."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from envs.config import EnvConfig
from envs.make import make_scene, make_simulator
from envs.simulator import Simulator
from perception.camera import Pinhole
from policy.planner.planner import Planner
from policy.rollouts.episode import Played, Playing, succeeded
from policy.viewing.viewer import open_task


@dataclass(frozen=True)
class LiveFrame:
    """What the planner sees, where its plan takes the hand (world metres), and how it goes."""

    cloud: Float[np.ndarray, "point axis"]
    path: Float[np.ndarray, "corner 3"] | None
    told: str


class LiveEpisode:
    """An episode of a planner, chunk by chunk; stepped to its end, it is `play` of its seed.

    Plans are tried in a simulator of their own, so nothing of the episode is touched by looking
    ahead.

    Args:
        planner: Acts.
        env: Its task.

    Raises:
        InputError: The planner was made for clouds or robots of another kind.
    """

    def __init__(self, planner: Planner, env: EnvConfig) -> None:
        self._planner, self._env = planner, env
        self._task = open_task(planner, env)
        self._twin = make_simulator(env)
        self.reset(0)

    def reset(self, seed: int) -> LiveFrame:
        """Start the episode of a seed, and plan."""
        self._seed = seed
        self._playing = Playing(self._planner, self._task, seed)
        self._path = self._plan()
        return self._frame(0)

    @property
    def done(self) -> bool:
        """Whether the episode is over."""
        return self._playing.done

    def advance(self) -> list[LiveFrame]:
        """Execute the planned chunk and plan again; give the frames this brought, if any."""
        if self.done:
            return []
        before = len(self._playing.clouds)
        self._playing.execute()
        after = len(self._playing.clouds)
        frames = [self._frame(index) for index in range(before, after - 1)]
        self._path = None if self.done else self._plan()
        return [*frames, self._frame(after - 1)]

    def cameras(self) -> dict[str, Pinhole]:
        """Give the cameras that the planner sees with, as they stand."""
        scene = make_scene(self._task.simulator, self._env)
        scene.put(self._task.simulator.scene_state())
        return {name: scene.camera(name) for name in self._env.view.cameras}

    def played(self) -> Played:
        """Give the episode as far as it was played; at least one chunk must have been."""
        return self._playing.played()

    def _plan(self) -> Float[np.ndarray, "corner 3"]:
        actions = self._playing.plan().actions
        return foresee(self._twin, self._task.simulator.save_state(), actions)

    def _frame(self, index: int) -> LiveFrame:
        return LiveFrame(self._playing.clouds[index], self._path, self._told(index))

    def _told(self, step: int) -> str:
        """Say how the episode goes after some steps, as Markdown."""
        rewards, successes = self._playing.rewards[:step], self._playing.successes[:step]
        lines = [
            f"Seed {self._seed}, step {step} of {self._env.episode_steps}",
            f"Reward {rewards[-1] if rewards else 0:.4g}, return {sum(rewards):.4g}",
            f"Goal reached: {_yes(successes[-1:])} now, {_yes(successes)} at any step",
        ]
        if self.done and step == len(self._playing.rewards):
            outcome = "success" if succeeded(successes, self._env.success_at) else "failure"
            lines.append(f"**Over: {outcome}**")
        return "\n\n".join(lines)


def foresee(
    twin: Simulator,
    state: Float[np.ndarray, " number"],
    actions: Float[np.ndarray, "planned action"],
) -> Float[np.ndarray, "corner 3"]:
    """Give the path that the hand takes from a saved state under planned actions.

    Exact: it is what happens if they are executed. `twin` is a simulator of the same task to try
    them in.
    """
    twin.restore_state(state)
    path = [twin.hand()]
    for action in actions:
        terminated = twin.step(action).terminated
        path.append(twin.hand())
        if terminated:
            break
    return np.stack(path)


def _yes(successes: list[bool]) -> str:
    return "yes" if any(successes) else "no"
