"""From a configuration to a simulator and the scene that shows it."""

import importlib
from dataclasses import replace
from pathlib import Path
from typing import cast

from configs.kinds import import_object
from envs.config import EnvConfig
from envs.rendering.scene import Scene
from envs.simulator import Simulator
from perception.errors import InputError
from perception.point_cloud import resolve_geometry

HERE = Path(__file__).resolve().parent


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
    """Choose what a configuration leaves to the machine, once for all worker processes."""
    view = replace(config.view, geometry=resolve_geometry(config.view.geometry))
    return replace(config, view=view)
