"""Train the small agents that make data, by DAgger.

    python -m studies.dagger env=adroit-door expert=a.npz

The expert is any network in the layout of `datasets/behaviours/state_agent.py`; for the shipped
agents, the policies of DAPG, converted to plain arrays. The agent is written to `out`, and both are
evaluated without noise.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from configs.command import script
from configs.ranges import Count, Seed
from datasets.behaviours import state_agent
from datasets.behaviours.behaviour import act
from datasets.behaviours.dagger import DaggerConfig, dagger
from datasets.behaviours.state_agent import StateAgent
from envs.config import EnvConfig
from envs.make import make_simulator

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StudyConfig:
    """Which expert to imitate, for how long, and where the agent goes."""

    env: EnvConfig
    expert: Path
    out: Path
    dagger: DaggerConfig
    evaluate_episodes: Count
    seed: Seed


@script("studies/dagger", StudyConfig)
def main(config: StudyConfig) -> None:
    """Train, save, evaluate."""
    simulator = make_simulator(config.env)
    steps = config.env.episode_steps
    expert = StateAgent.load(config.expert)
    dagger(simulator, expert, config.dagger, steps=steps, seed=config.seed).save(config.out)
    for path in (config.expert, config.out):
        clean = state_agent.Config("state_agent", path, noise=(0.0, 0.0), random_share=(0.0, 0.0))
        agent = state_agent.make(clean, config.env, simulator)
        runs = [
            act(simulator, agent, steps=steps, seed=10**6 + i)
            for i in range(config.evaluate_episodes)
        ]
        ends, ever = (np.mean([f(r.successes) for r in runs]) for f in (lambda s: s[-1], np.any))
        logger.info("%s: success at the end %.2f, ever %.2f", path, ends, ever)


if __name__ == "__main__":
    main()
