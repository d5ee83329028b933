"""Importing this module registers the tasks with Gymnasium.

    gym.make("sodp/adroit-door-v0"), "sodp/adroit-hammer-v0", "sodp/adroit-pen-v0"
    gym.make("sodp/metaworld-v0", task="drawer-open"), any of the fifty

Further keyword arguments are overrides of the task's configuration: `points=256` or `colour=True`.
"""

import gymnasium as gym

from configs.command import compose_part
from envs.config import EnvConfig, seen
from envs.gymnasium_env import PointCloudEnv

ADROIT = ("adroit-door", "adroit-hammer", "adroit-pen")


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
    return PointCloudEnv(seen(config, points, cameras, colour), render_mode)


for _name in (*ADROIT, "metaworld"):
    gym.register(f"sodp/{_name}-v0", entry_point="envs.register:make", kwargs={"name": _name})
