"""A behaviour from outside the repository: one file with one class, and its keys."""

from dataclasses import dataclass

import numpy as np

from datasets.behaviours.behaviour import SeededBehaviour
from envs.config import EnvConfig
from envs.simulator import Simulator


@dataclass(frozen=True)
class SwingConfig:
    """How wide it swings."""

    kind: str
    width: float = 0.5


class Swing(SeededBehaviour):
    """Moves all joints to and fro, each episode at its own pace; it is its own `EpisodePolicy`."""

    Config = SwingConfig
    noise = random_share = 0.0

    def __init__(self, config: SwingConfig, env: EnvConfig, simulator: Simulator) -> None:
        self._width, self._steps = config.width, env.episode_steps
        self._actions = simulator.action_size
        self._pace, self._step = 0.0, 0

    def draw(self, rng: np.random.Generator) -> "Swing":
        self._pace, self._step = rng.uniform(0.1, 1.0), 0
        return self

    def act(self, simulator: Simulator, rng: np.random.Generator) -> np.ndarray:
        self._step += 1
        swing = self._width * np.sin(self._pace * self._step)
        return np.full(self._actions, swing, np.float32)
