"""From a checkpoint to its success rate: what `policy/evaluate.py` does."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from configs.build import Inline
from configs.ranges import Count, Players, Seed, Whole
from envs.request import EnvRequest
from policy.rollouts.evaluation import Evaluation, evaluate, evaluation_seeds, write_evaluation
from policy.rollouts.loading import Loaded, load_for, make_envs
from policy.runs.device import Machine, prepare
from policy.runs.run import run_folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluateConfig:
    """What to evaluate; every key is explained in configs/scripts/evaluate.yaml."""

    task: Annotated[EnvRequest, Inline()]
    checkpoint: Path
    out: Path | None
    episodes: Count
    seed: Seed
    machine: Annotated[Machine, Inline()]
    envs: Players
    gallery: Whole

    @property
    def folder(self) -> Path:
        """Where to write."""
        return self.out or run_folder(self.checkpoint)


def judge(config: EvaluateConfig) -> tuple[Loaded, Evaluation]:
    """Evaluate a checkpoint on its task and note the outcome.

    Raises:
        InputError: The checkpoint is missing, or was made for another task.
    """
    device = prepare(config.machine.device, config.machine.threads)
    loaded = load_for(config.checkpoint, config.task)
    planner, env = loaded.planner, loaded.env
    envs = make_envs(env, planner, envs=config.envs, workers=config.machine.workers)
    seeds = evaluation_seeds(config.seed, config.episodes)
    evaluation = evaluate(planner.to(device), envs, seeds, success_at=env.success_at)
    envs.close()
    config.folder.mkdir(parents=True, exist_ok=True)
    write_evaluation(config.folder, loaded.about["stage"], evaluation)
    logger.info("%s (%s): %s", config.checkpoint, loaded.about["stage"], evaluation)
    return loaded, evaluation
