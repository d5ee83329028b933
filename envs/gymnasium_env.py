"""The tasks as Gymnasium environments that return clouds; importing this registers them.

    gym.make("sodp/adroit-door-v0"), "sodp/adroit-hammer-v0", "sodp/adroit-pen-v0"
    gym.make("sodp/metaworld-drawer-open-v0"), any of the fifty
    gym.make("sodp/robosuite-lift-v0"), "sodp/robosuite-can-v0", "sodp/robosuite-square-v0"
    gym.make("sodp/gymnasium-Pusher-v5-v0"), any MuJoCo world of Gymnasium that has a view here
    gym.make("sodp/gymnasium-v0", task="Walker2d-v5"), any other; so for the other families

An id is there whether its library is or not: to make it then fails with the extra that brings it.
Further keyword arguments are the short keys of the commands: `points=256` or `colour=True`.
"""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from configs.command import compose_part
from configs.command.tables import OTHERS, table
from envs.config import EnvConfig, with_view
from envs.make import make_scene, make_simulator
from envs.simulator import check_action
from perception.camera import upright
from perception.errors import InputError

ADROIT = ("adroit-door", "adroit-hammer", "adroit-pen")  # Files of configs/env.
# Those of many tasks, and the table that names them.
FAMILIES = {
    "metaworld": "metaworld-boxes",
    "robosuite": "robosuite-worlds",
    "gymnasium": "gymnasium_mujoco-worlds",
}
PICTURE_PX = (480, 360)  # (Width, height).


class PointCloudEnv(gym.Env[dict[str, Any], np.ndarray]):
    """One task; an observation is DP3's pair of `point_cloud` and `agent_pos`.

    A step is one agent step. An episode is truncated after its steps, and terminated when it
    cannot go on. `info["success"]` tells whether the goal is reached at this step, and
    `info["is_success"]` the same to whoever looks there (stable-baselines3).

    Args:
        config: The task.
        render_mode: None or `rgb_array` (a lit picture of the first camera, without OpenGL).

    Raises:
        InputError: The task's view has no points: observations here are clouds.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 (Gymnasium's own)

    def __init__(self, config: EnvConfig, render_mode: str | None = None) -> None:
        if config.view.points == 0:
            raise InputError("This environment shows clouds: give points=")
        self._config, self.render_mode = config, render_mode
        self.simulator = make_simulator(config)
        self.scene = make_scene(self.simulator, config)
        robot_state = self.simulator.robot_state().shape
        points = (config.view.points, 6 if config.view.colour else 3)
        self.observation_space = spaces.Dict(
            {
                "point_cloud": spaces.Box(-np.inf, np.inf, points, np.float32),
                "agent_pos": spaces.Box(-np.inf, np.inf, robot_state, np.float32),
            }
        )
        self.action_space = spaces.Box(-1, 1, (self.simulator.action_size,), np.float32)
        self._step = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Start an episode; without a seed, that of this environment's own random numbers."""
        super().reset(seed=seed, options=options)
        self.simulator.reset(int(self.np_random.integers(2**31)) if seed is None else seed)
        self._step = 0
        return self._observe(), _told(success=False)

    def step(self, action: object) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Act for one agent step; numbers beyond -1 and 1 count as -1 and 1.

        Raises:
            InputError: The action has another shape, or a number that is not finite.
        """
        numbers = check_action(action, self.simulator.action_size, f" of step {self._step}")
        outcome = self.simulator.step(numbers)
        self._step += 1
        truncated = self._step >= self._config.episode_steps
        told = _told(success=outcome.success)
        return self._observe(), outcome.reward, outcome.terminated, truncated, told

    def render(self) -> np.ndarray:
        """Draw the task as it stands, upright."""
        name = self._config.view.cameras[0]
        self.scene.put(self.simulator.scene_state())
        return upright(self.scene.picture(name, PICTURE_PX), self.scene.camera(name))

    def _observe(self) -> dict[str, Any]:
        return {
            "point_cloud": self.scene.points(self.simulator.scene_state()),
            "agent_pos": self.simulator.robot_state(),
        }


def make(
    name: str,
    *,
    task: str | None = None,
    points: int | None = None,
    cameras: tuple[str, ...] | None = None,
    colour: bool | None = None,
    render_mode: str | None = None,
) -> PointCloudEnv:
    """Make a task by the name of its file in configs/env."""
    overrides = [] if task is None else [f"env.task={task}"]
    config = compose_part(EnvConfig, "env", name, overrides)
    return PointCloudEnv(with_view(config, points, cameras, colour), render_mode)


def _told(*, success: bool) -> dict[str, Any]:
    return {"success": success, "is_success": success}


def _register(known_as: str, **given: str) -> None:
    gym.register(f"sodp/{known_as}-v0", entry_point=f"{__name__}:make", kwargs=given)


for _name in (*ADROIT, *FAMILIES):
    _register(_name, name=_name)
for _name, _table in FAMILIES.items():
    for _task in table(_table).keys() - {OTHERS}:
        _register(f"{_name}-{_task}", name=_name, task=_task)
