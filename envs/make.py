"""From a configuration to a simulator and the scene that shows it."""

from dataclasses import replace

from envs.adroit.simulator import AdroitSimulator
from envs.config import EnvConfig
from envs.rendering.scene import Scene
from envs.simulator import Simulator
from perception.point_cloud import resolve_geometry


def make_simulator(config: EnvConfig) -> Simulator:
    """Make the task that a configuration names."""
    if config.simulator == "metaworld":
        # Imported where used: it takes two seconds.
        from envs.metaworld.simulator import MetaWorldSimulator  # noqa: PLC0415

        return MetaWorldSimulator(config)
    return AdroitSimulator(config)


def make_scene(simulator: Simulator, config: EnvConfig) -> Scene:
    """Make the scene of a simulator: its model and states, seen as configured."""
    return Scene(simulator.model_path, simulator.layout, config)


def settled(config: EnvConfig) -> EnvConfig:
    """Choose what a configuration leaves to the machine, once for all worker processes."""
    view = replace(config.view, geometry=resolve_geometry(config.view.geometry))
    return replace(config, view=view)
