"""A task's own scripted policy (Meta-World has one for each of its tasks), made worse by noise."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from jaxtyping import Float

from configs.ranges import Shares, Spread
from datasets.behaviours.noisy import NoisyBehaviour
from envs.config import EnvConfig
from envs.simulator import Scripted, Simulator
from perception.errors import InputError


@dataclass(frozen=True)
class Config:
    """How badly the script acts.

    Attributes:
        kind: `scripted`.
        noise: Range of the standard deviation of the Gaussian noise added to each action.
        random_share: Range of the share of actions replaced by uniformly random ones.
    """

    kind: str
    noise: Spread
    random_share: Shares


def make(config: Config, env: EnvConfig, simulator: Simulator) -> NoisyBehaviour:
    """Make the scripted policy of a task.

    Raises:
        InputError: The task has none.
    """
    if not isinstance(simulator, Scripted):
        raise InputError(f"{env.name} has no scripted policy; choose behaviour=agent or random")
    unit = np.ones(simulator.action_size, np.float32)
    return NoisyBehaviour(_scripted, unit, config.noise, config.random_share)


def _scripted(simulator: Simulator) -> Float[np.ndarray, " action"]:
    return cast(Scripted, simulator).scripted_action()
