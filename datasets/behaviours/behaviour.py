"""What acts while data is collected: a policy of the simulator's state, made worse on purpose.

Each episode draws its own amount of noise and of random actions from a range, so that a store
holds everything from failure to mastery.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

import numpy as np
from jaxtyping import Float

from datasets.behaviours.state_agent import AGENTS, StateAgent
from envs.config import EnvConfig
from envs.simulator import Simulator
from perception.errors import InputError


@dataclass(frozen=True)
class RLPDConfig:
    """How an agent learns; see `datasets/behaviours/rlpd.py`.

    Attributes:
        hidden: Width of both hidden layers of all networks.
        batch: Transitions per update; half of them demonstrations.
        updates_per_step: Gradient updates per agent step.
        learning_rate: Of Adam, for all networks.
        discount: Of future rewards.
        smoothing: Step of the target critics towards the critics.
        temperature: Weight of the entropy at the beginning; it is learned.
        warm_up: Agent steps of smooth random actions before the first update.
    """

    hidden: int
    batch: int
    updates_per_step: float
    learning_rate: float
    discount: float
    smoothing: float
    temperature: float
    warm_up: int


@dataclass(frozen=True)
class LearningConfig:
    """The life of an agent that learns.

    Attributes:
        steps: How many steps it takes.
        demonstrations: How many successful episodes it is shown; 0 is plain soft actor-critic.
        seeding: Steps at the beginning in which the demonstrator acts in its place, failures
            included: they are part of its life, and data.
        save_every: Steps between checkpoints.
        rlpd: How it learns.
    """

    steps: int
    demonstrations: int
    seeding: int
    save_every: int
    rlpd: RLPDConfig


@dataclass(frozen=True)
class ReplayConfig:
    """Which part of which lives is data.

    Attributes:
        logs: Folder that keeps every step of every agent, and its checkpoint.
        agents: How many agents, each with a life of its own.
        fraction: Share of each life that is kept.
        quality: The first part of it (`suboptimal`) or the last (`near_optimal`).
        learning: How they live.
    """

    logs: Path
    agents: int
    fraction: float
    quality: Literal["suboptimal", "near_optimal"]
    learning: LearningConfig


@dataclass(frozen=True)
class BehaviourConfig:
    """Who acts, and how badly.

    Attributes:
        name: `agent` (a small shipped network), `scripted` (Meta-World's own), `random`, `replay`
            (agents that learn; the next three keys are then about who shows them success) or
            `planner` (one of this project's, from `checkpoint`).
        path: An agent's file; null takes the one shipped for the task.
        noise: Range of the standard deviation of the Gaussian noise added to each action, in
            units of the agent's own spread of actions (of 1 for the others).
        random_share: Range of the share of actions replaced by uniformly random ones.
        replay: Of `replay`.
        checkpoint: Of `planner`.
    """

    name: Literal["agent", "scripted", "random", "replay", "planner"]
    path: Path | None
    noise: tuple[float, float]
    random_share: tuple[float, float]
    replay: ReplayConfig | None = None
    checkpoint: Path | None = None


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
    if config.name != "random":
        raise InputError(
            f"behaviour={config.name} is not a policy of the simulator's state; choose agent,"
            " scripted or random"
        )
    return BehaviourSource(lambda sim: np.zeros(sim.action_size, np.float32), unit, config)


def make_demonstrator(
    config: BehaviourConfig, env: EnvConfig, simulator: Simulator
) -> BehaviourSource:
    """Make who shows a learning agent success: an agent where there is one, else the script.

    Raises:
        InputError: The task has neither.
    """
    shipped = config.path is not None or (AGENTS / f"{env.name}.npz").exists()
    name: Literal["agent", "scripted"] = "agent" if shipped else "scripted"
    return make_behaviour(replace(config, name=name), env, simulator)


def _scripted(simulator: Simulator) -> Float[np.ndarray, " action"]:
    return cast(np.ndarray, simulator.scripted_action())  # type: ignore[attr-defined]
