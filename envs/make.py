"""From a configuration to a simulator and the scene that shows it."""

import importlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import cast

import mujoco
import numpy as np

from configs.kinds import import_object
from envs.config import EnvConfig
from envs.rendering.scene import Scene
from envs.rendering.zbuffer import ZBuffer
from envs.simulator import Simulator
from perception.camera import Pinhole
from perception.errors import InputError
from perception.point_cloud import Box, View, fuse, resolve_geometry

HERE = Path(__file__).resolve().parent
BALL = "<mujoco><worldbody><geom size='1'/></worldbody></mujoco>"


def simulators() -> list[str]:
    """Name the simulator families: the folders here that have a `simulator.py`."""
    return sorted(path.parent.name for path in HERE.glob("*/simulator.py"))


def make_simulator(config: EnvConfig) -> Simulator:
    """Make the task that a configuration names.

    Raises:
        InputError: There is no such simulator, or it has no such task.
    """
    if ":" in config.simulator:
        return cast(Simulator, import_object(config.simulator, "env.simulator")(config))
    if config.simulator not in simulators():
        raise InputError(
            f"env.simulator={config.simulator} is unknown; choose one of"
            f" {', '.join(simulators())}, or module:Class"
        )
    # Imported where used: a simulator takes seconds to import.
    module = importlib.import_module(f"envs.{config.simulator}.simulator")
    return cast(Simulator, module.make(config))


def make_scene(simulator: Simulator, config: EnvConfig) -> Scene:
    """Make the scene of a simulator: its model and states, seen as configured."""
    return Scene(simulator.model_path, simulator.layout, config)


def settled(config: EnvConfig) -> EnvConfig:
    """Choose what a configuration leaves to the machine, once for all worker processes.

    What they draw with is compiled here, where it is said, and not in each of them.
    """
    view = replace(config.view, geometry=resolve_geometry(config.view.geometry))
    if view.points:
        compile_drawing(view.geometry, view.sampling)
    return replace(config, view=view)


@cache
def compile_drawing(geometry: str, sampling: str) -> None:
    """Draw a ball and make a cloud of it, so that the loops for it are compiled and kept."""
    model = mujoco.MjModel.from_xml_string(BALL)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    pose = np.eye(4)
    pose[2, 3] = -3.0  # It looks along z at the ball.
    camera = Pinhole.from_fovy(45.0, (16, 16), world_from_camera=pose)
    depth_m, _ = ZBuffer(model).render(data, camera)
    around = Box((-2.0,) * 3, (2.0,) * 3)
    fuse([View(camera, depth_m)], around, 4, geometry=geometry, sampling=sampling)
