"""Teach the small agents that make data.

    python -m studies.teach env=adroit-door teacher=a.npz

The teacher is any network in the layout of `datasets/behaviours/state_agent.py` (the policies of
DAPG, converted to plain arrays, taught the shipped ones); the pupil is written to `out` and judged
without noise.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from configs.command import script
from datasets.behaviours.behaviour import BehaviourConfig, make_behaviour
from datasets.behaviours.dagger import TeachingConfig, teach
from datasets.behaviours.state_agent import StateAgent
from datasets.recorder import act
from envs.config import EnvConfig
from envs.make import make_simulator

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TeachConfig:
    """Who teaches, for how long, and where the pupil goes."""

    env: EnvConfig
    teacher: Path
    out: Path
    teaching: TeachingConfig
    judged_episodes: int
    seed: int


@script("teach", TeachConfig)
def main(config: TeachConfig) -> None:
    """Teach, save, judge."""
    simulator = make_simulator(config.env)
    steps = config.env.episode_steps
    teacher = StateAgent.load(config.teacher)
    teach(simulator, teacher, config.teaching, steps=steps, seed=config.seed).save(config.out)
    for path in (config.teacher, config.out):
        clean = BehaviourConfig("agent", path, noise=(0.0, 0.0), random_share=(0.0, 0.0))
        source = make_behaviour(clean, config.env, simulator)
        runs = [
            act(simulator, source, steps=steps, seed=10**6 + i)
            for i in range(config.judged_episodes)
        ]
        ends, ever = (np.mean([f(r.successes) for r in runs]) for f in (lambda s: s[-1], np.any))
        logger.info("%s: success at the end %.2f, ever %.2f", path, ends, ever)


if __name__ == "__main__":
    main()
