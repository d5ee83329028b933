"""Who shows a learning agent what success is."""

from dataclasses import asdict, dataclass
from pathlib import Path

from configs.ranges import Shares, Spread
from datasets.behaviours import scripted, state_agent
from datasets.behaviours.noisy import NoisyBehaviour
from envs.config import EnvConfig
from envs.simulator import Simulator


@dataclass(frozen=True)
class DemonstratorConfig:
    """A state agent or a script, and how badly it acts.

    Attributes:
        path: An agent's file; null takes the one shipped for the task, or else its script.
        noise: Range of the standard deviation of the noise on its actions.
        random_share: Range of the share of random actions.
    """

    path: Path | None
    noise: Spread
    random_share: Shares


def make_demonstrator(
    config: DemonstratorConfig, env: EnvConfig, simulator: Simulator
) -> NoisyBehaviour:
    """Make an agent where there is one, else the task's script.

    Raises:
        InputError: The task has neither.
    """
    if config.path is not None or state_agent.shipped(env.name).exists():
        agent = state_agent.Config("state_agent", **asdict(config))
        return state_agent.make(agent, env, simulator)
    script = scripted.Config("scripted", config.noise, config.random_share)
    return scripted.make(script, env, simulator)
