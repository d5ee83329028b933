"""A policy made worse on purpose.

Each episode draws its own amount of noise and of random actions from a range, so that a store
holds everything from failure to mastery.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from datasets.behaviours.behaviour import SeededBehaviour
from envs.simulator import Simulator

StatePolicy = Callable[[Simulator], Float[np.ndarray, " action"]]


@dataclass(frozen=True)
class NoisyPolicy:
    """A policy with the noise of one episode.

    Attributes:
        policy: Chooses an action by the simulator's state.
        spread: Unit of the noise, for each number of an action.
        noise: Standard deviation of the Gaussian noise, in units of the spread.
        random_share: Share of the actions replaced by uniformly random ones.
    """

    policy: StatePolicy
    spread: Float[np.ndarray, " action"]
    noise: float
    random_share: float

    def act(self, simulator: Simulator, rng: np.random.Generator) -> Float[np.ndarray, " action"]:
        """Choose an action in [-1, 1]."""
        if rng.uniform() < self.random_share:
            return rng.uniform(-1, 1, simulator.action_size).astype(np.float32)
        disturbance = self.noise * self.spread * rng.standard_normal(simulator.action_size)
        return np.clip(self.policy(simulator) + disturbance, -1, 1).astype(np.float32)


@dataclass(frozen=True)
class NoisyBehaviour(SeededBehaviour):
    """A policy whose noise and share of random actions are drawn for each episode."""

    policy: StatePolicy
    spread: Float[np.ndarray, " action"]
    noise: tuple[float, float]
    random_share: tuple[float, float]

    def draw(self, rng: np.random.Generator) -> NoisyPolicy:
        """Choose how noisy an episode will be."""
        noise, random_share = rng.uniform(*self.noise), rng.uniform(*self.random_share)
        return NoisyPolicy(self.policy, self.spread, noise, random_share)
