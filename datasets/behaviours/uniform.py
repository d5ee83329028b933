"""Uniformly random actions."""

from dataclasses import dataclass

import numpy as np

from datasets.behaviours.noisy import NoisyBehaviour
from envs.config import EnvConfig
from envs.simulator import Simulator


@dataclass(frozen=True)
class Config:
    """Nothing to choose."""

    kind: str


def make(config: Config, env: EnvConfig, simulator: Simulator) -> NoisyBehaviour:
    """Make a behaviour all of whose actions are random; any task will do."""
    nothing = np.zeros(simulator.action_size, np.float32)
    return NoisyBehaviour(lambda _: nothing, nothing, (0.0, 0.0), (1.0, 1.0))
