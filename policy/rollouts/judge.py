"""From a checkpoint to its success rate: what `policy/evaluate.py` does."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from configs.build import Inline
from configs.ranges import Count, Players, Seed, Whole
from configs.stopping import stop_request
from envs.request import EnvRequest
from policy.rollouts.evaluation import Evaluation, evaluate, evaluation_seeds
from policy.rollouts.evaluation_file import judged, write_evaluation
from policy.rollouts.loading import Loaded, load_for, make_envs
from policy.runs.device import Machine, prepare
from policy.runs.memory import names_memory
from policy.runs.newest import given_or_newest
from policy.runs.run import run_folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluateConfig:
    """What to evaluate; every key is explained in configs/scripts/evaluate.yaml."""

    task: Annotated[EnvRequest, Inline()]
    checkpoint: Path | None
    out: Path | None
    episodes: Count
    seed: Seed
    machine: Annotated[Machine, Inline()]
    envs: Players
    gallery: Whole

    @property
    def folder(self) -> Path:
        """Where to write."""
        return self.out or run_folder(given_or_newest(self.checkpoint))


def judge(config: EvaluateConfig) -> tuple[Loaded, Evaluation]:
    """Evaluate a checkpoint (of the newest run, where none is named) and note the outcome.

    Raises:
        InputError: The checkpoint is missing, or was made for another task.
    """
    checkpoint = given_or_newest(config.checkpoint)
    device = prepare(config.machine.device, config.machine.threads)
    loaded = load_for(checkpoint, config.task)
    planner, env = loaded.planner, loaded.env
    seeds = evaluation_seeds(config.seed, config.episodes)
    with names_memory("evaluating", "give fewer envs="), stop_request() as stop:
        envs = make_envs(env, planner, envs=config.envs, workers=config.machine.workers)
        try:
            evaluation = evaluate(
                planner.to(device), envs, seeds, success_at=env.success_at, stop=stop
            )
        finally:
            envs.close()
    stage = str(loaded.about["stage"])
    write_evaluation(
        config.out or run_folder(checkpoint), stage, evaluation, judged(loaded.about, env)
    )
    logger.info("%s (%s): %s", checkpoint, stage, evaluation)
    return loaded, evaluation
