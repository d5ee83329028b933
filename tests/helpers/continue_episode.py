"""Run as a process of its own: go on from a saved state and save what follows."""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import numpy as np

from envs.config import EnvConfig
from envs.make import make_scene, make_simulator
from envs.simulator import Simulator
from tests.conftest import task_config


def follow(simulator: Simulator, config: EnvConfig, actions: np.ndarray) -> dict[str, np.ndarray]:
    """Look, then act; give everything that was seen."""
    scene = make_scene(simulator, config)
    first = scene.points(simulator.scene_state())
    seen = []
    for action in actions:
        outcome = simulator.step(action)
        numbers = [outcome.reward, outcome.success, *simulator.features(), *simulator.robot_state()]
        seen.append(np.concatenate([numbers, simulator.scene_state()]))
    last = scene.points(simulator.scene_state())
    return {"first": first, "steps": np.array(seen), "last": last}


if __name__ == "__main__":
    with np.load(sys.argv[1], allow_pickle=False) as saved:
        for name in saved["names"]:
            config = task_config(str(name))
            simulator = make_simulator(config)
            simulator.reset(99)  # Some other episode: nothing of it may be left.
            simulator.restore_state(saved[f"{name}/state"])
            followed = follow(simulator, config, saved[f"{name}/actions"])
            np.savez(Path(sys.argv[2]) / f"{name}.npz", **followed)
