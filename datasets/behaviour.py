"""What acts while data is collected: a policy of the simulator's state, made worse on purpose.

Each episode draws its own amount of noise and of random actions from a range, so that a store
holds everything from failure to mastery.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np
from jaxtyping import Float

from datasets.agent import AGENTS, StateAgent
from envs.simulator import Simulator
from envs.spec import EnvConfig
from perception.errors import InputError


@dataclass(frozen=True)
class BehaviourConfig:
    """Who acts, and how badly.

    Attributes:
        name: `agent` (a small shipped network), `scripted` (Meta-World's own) or `random`;
            `recorded` says of converted data that somebody else has acted.
        path: An agent's file; null takes the one shipped for the task.
        noise: Range of the standard deviation of the Gaussian noise added to each action, in
            units of the agent's own spread of actions (of 1 for the others).
        random_share: Range of the share of actions replaced by uniformly random ones.
    """

    name: Literal["agent", "scripted", "random", "recorded"]
    path: Path | None
    noise: tuple[float, float]
    random_share: tuple[float, float]


Policy = Callable[[Simulator], Float[np.ndarray, " action"]]


@dataclass(frozen=True)
class Behaviour:
    """A policy with the noise of one episode."""

    policy: Policy
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
class BehaviourSource:
    """Draws the behaviour of each episode."""

    policy: Policy
    spread: Float[np.ndarray, " action"]
    config: BehaviourConfig

    def draw(self, rng: np.random.Generator) -> Behaviour:
        """Choose how noisy an episode will be."""
        noise, random_share = (
            rng.uniform(*self.config.noise),
            rng.uniform(*self.config.random_share),
        )
        return Behaviour(self.policy, self.spread, noise, random_share)


def make_behaviour(
    config: BehaviourConfig, env: EnvConfig, simulator: Simulator
) -> BehaviourSource:
    """Make the behaviour of a configuration for one task.

    Raises:
        InputError: The task has no such behaviour.
    """
    if config.name == "recorded":
        raise InputError("behaviour=recorded cannot act; choose agent, scripted or random")
    if config.name == "agent":
        if config.path is None and not (AGENTS / f"{env.name}.npz").exists():
            raise InputError(
                f"No agent is shipped for {env.name}; choose behaviour=scripted or random"
            )
        agent = StateAgent.load(config.path or AGENTS / f"{env.name}.npz")
        return BehaviourSource(lambda sim: agent.act(sim.features()), agent.out_scale, config)
    unit = np.ones(simulator.action_size, np.float32)
    if config.name == "scripted":
        if not hasattr(simulator, "scripted_action"):
            raise InputError(f"{env.name} has no scripted policy; choose behaviour=agent or random")
        return BehaviourSource(_scripted, unit, config)
    return BehaviourSource(lambda sim: np.zeros(sim.action_size, np.float32), unit, config)


def _scripted(simulator: Simulator) -> Float[np.ndarray, " action"]:
    return cast(np.ndarray, simulator.scripted_action())  # type: ignore[attr-defined]
