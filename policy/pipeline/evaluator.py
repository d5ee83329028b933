"""The evaluation that ends each stage of a run."""

import logging
import shutil
from functools import partial
from pathlib import Path

import torch

from configs.files import write_whole
from configs.stopping import StopRequest
from envs.config import EnvConfig
from policy.finetuning import loop as finetuning
from policy.pipeline.config import Recipe, TrainConfig
from policy.pipeline.planners import Planners
from policy.planner.planner import Planner
from policy.reports.result import make_result
from policy.reports.traces import write_traces
from policy.rollouts.evaluation import (
    Evaluation,
    evaluate,
    evaluation_seeds,
    judged,
    read_evaluation,
    write_evaluation,
)
from policy.rollouts.loading import EnvPool
from policy.runs.memory import names_memory
from policy.runs.run import Run

logger = logging.getLogger(__name__)


class Evaluator:
    """Evaluates the planners of a run; see `Stages` for what it is given."""

    def __init__(
        self,
        config: TrainConfig,
        recipe: Recipe,
        env: EnvConfig | None,
        run: Run,
        device: torch.device,
        *,
        planners: Planners,
        stop: StopRequest,
        pool: EnvPool,
    ) -> None:
        self.config, self.recipe, self.env = config, recipe, env
        self.run, self.device = run, device
        self._planners, self._stop, self._pool = planners, stop, pool

    def evaluate(self, stage: str, variant: str) -> None:
        """Evaluate a stage's planner, unless that is done, and keep the result."""
        planner, about = self._planners.read(self.run.checkpoint(stage))
        config, env = self.config, self.env
        if env is None:
            logger.info("no simulator for task %s: not evaluated", about["task"])
            return
        seeds = tuple(evaluation_seeds(self.recipe.seed, config.episodes))
        evaluation = read_evaluation(self.run.path, stage, judged(about, env))
        if evaluation is None or evaluation.seeds != seeds:
            evaluation = self._played(planner, env, seeds)
            write_evaluation(self.run.path, stage, evaluation, judged(about, env))
        logger.info("%s: %s", stage, evaluation)
        if config.experiment is not None:
            result = make_result(
                evaluation,
                about,
                experiment=config.experiment,
                variant=variant,
                config_sha256=self.run.config_sha256,
                metrics=self.run.path / f"{stage}.jsonl",
            )
            self._keep_result(result.write(config.results), stage, planner, seeds)

    def _played(self, planner: Planner, env: EnvConfig, seeds: tuple[int, ...]) -> Evaluation:
        """Play the episodes of an evaluation."""
        with names_memory("evaluating", "give fewer envs="):
            envs = self._pool.take(env, planner, envs=self.recipe.envs)
            planner.to(self.device)
            return evaluate(planner, envs, seeds, success_at=env.success_at, stop=self._stop)

    def _keep_result(
        self, path: Path, stage: str, planner: Planner, seeds: tuple[int, ...]
    ) -> None:
        """Put what the reports draw beside an experiment's figures."""
        if stage == finetuning.STAGE:
            metrics = self.run.path / f"{stage}.jsonl"
            write_whole(path.with_suffix(".jsonl"), partial(shutil.copyfile, metrics))
        if self.config.traces and self.env is not None:
            write_traces(path.with_suffix(".npz"), planner, self.env, seeds[: self.config.traces])
        logger.info("written to %s", path)
