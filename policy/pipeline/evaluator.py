"""The evaluations that end each stage of a run: the planner alone, and with its critics."""

import logging
import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from configs.files import write_whole
from envs.config import EnvConfig
from policy.finetuning import loop as finetuning
from policy.finetuning.guided.saved_critics import SavedCritics, critics_path, load_critics
from policy.pipeline.judge import Court
from policy.pipeline.training import Training
from policy.planner.policy import Policy
from policy.reports.result import GUIDED, make_result
from policy.reports.traces import write_traces
from policy.rollouts.evaluation import Evaluation, evaluation_seeds
from policy.rollouts.evaluation_file import guided, judged, read_evaluation, write_evaluation

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finished:
    """The planner that a stage ended with.

    Attributes:
        stage: The stage.
        planner: Its planner.
        about: What its checkpoint says of it.
        env: Its task.
    """

    stage: str
    planner: Policy
    about: dict[str, Any]
    env: EnvConfig


class Evaluator:
    """Evaluates the planners of a run, each on the same starts as those of every other run.

    Args:
        training: The run.
    """

    def __init__(self, training: Training) -> None:
        self._training, config = training, training.config
        self._seeds = tuple(evaluation_seeds(config.evaluation_set, config.episodes))

    def evaluate(self, stage: str, variant: str) -> None:
        """Evaluate a stage's planner, unless that is done, and keep the results."""
        run, env = self._training.run, self._training.env
        checkpoint = run.checkpoint(stage)
        planner, about = self._training.planners.read(checkpoint)
        if env is None:
            logger.info("no simulator for task %s: not evaluated", about["task"])
            return
        finished = Finished(stage, planner, about, env)
        alone = self._evaluated(finished, None)
        critics = _critics(checkpoint, about)
        if critics is not None:  # Its result comes first: by the other one a cell is finished.
            with_critics = self._evaluated(finished, critics)
            of_both = {**about, "stage": guided(about["stage"])}
            self._keep(with_critics, replace(finished, about=of_both), variant + GUIDED)
        path = self._keep(alone, finished, variant)
        if path is not None:
            self._keep_what_reports_draw(path, finished)

    def _evaluated(self, of: Finished, critics: SavedCritics | None) -> Evaluation:
        """Give the evaluation of a planner, read or played."""
        path = self._training.run.path
        candidates = 1 if critics is None else critics.form.candidates
        name = of.stage if critics is None else guided(of.stage)
        whose = judged(of.about, of.env, candidates)
        evaluation = read_evaluation(path, name, whose)
        if evaluation is not None and not evaluation.begins_like(self._seeds):
            logger.info("%s: what was evaluated before began otherwise: played again", name)
        if evaluation is None or evaluation.seeds != self._seeds:
            evaluation = self._played(of, critics)
            write_evaluation(path, name, evaluation, whose)
        logger.info("%s: %s", name, evaluation)
        return evaluation

    def _played(self, of: Finished, critics: SavedCritics | None) -> Evaluation:
        """Play the episodes of an evaluation."""
        training = self._training
        planner = of.planner.to(training.device)
        decide = None if critics is None else critics.guide(planner, critics.form.candidates)
        court = Court(of.env, training.device, training.recipe.envs, training.pool, training.stop)
        return court.judge(planner, self._seeds, decide)

    def _keep(self, evaluation: Evaluation, of: Finished, variant: str) -> Path | None:
        """Write a result, if the run is of an experiment."""
        training, config = self._training, self._training.config
        if config.experiment is None or training.env is None:
            return None
        result = make_result(
            evaluation,
            of.about,
            experiment=config.experiment,
            variant=variant,
            success_at=training.env.success_at,
            config_sha256=training.run.config_sha256,
            metrics=training.run.path / f"{of.stage}.jsonl",
            parameters=sum(weights.numel() for weights in of.planner.parameters()),
        )
        path = result.write(config.results)
        logger.info("written to %s", path)
        return path

    def _keep_what_reports_draw(self, path: Path, of: Finished) -> None:
        """Put it beside an experiment's figures."""
        if of.stage == finetuning.STAGE:
            metrics = self._training.run.path / f"{of.stage}.jsonl"
            write_whole(path.with_suffix(".jsonl"), partial(shutil.copyfile, metrics))
        if count := self._training.config.traces:
            write_traces(path.with_suffix(".npz"), of.planner, of.env, self._seeds[:count])


def _critics(checkpoint: Path, about: dict[str, Any]) -> SavedCritics | None:
    """Read the critics beside a planner, where there are some that may guide it.

    Raises:
        InputError: They are damaged, or of another planner.
    """
    if not critics_path(checkpoint).exists():
        return None
    critics = load_critics(checkpoint, about)
    if critics.form.sees == "context":
        return critics
    logger.info("the critics see the simulator's state: they guide no planner that is evaluated")
    return None
