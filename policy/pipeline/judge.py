"""From a checkpoint to its success rate: what `policy/evaluate.py` does."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch

from configs.build import Inline
from configs.ranges import Count, Players, Seed, Share, Whole
from configs.stopping import StopRequest, stop_request
from envs.config import EnvConfig
from envs.request import EnvRequest
from policy.finetuning.guided.guide import Candidates
from policy.finetuning.guided.saved_critics import SavedCritics, load_critics
from policy.planner.checkpoint import tempered
from policy.planner.decision import Decide
from policy.planner.policy import Policy
from policy.rollouts.evaluation import Evaluation, evaluate, evaluation_seeds
from policy.rollouts.evaluation_file import (
    at_temperature,
    delayed,
    guided,
    judged,
    of_checkpoint,
    write_evaluation,
)
from policy.rollouts.late import Late, LatePlans
from policy.rollouts.loading import EnvPool, Loaded, load_for
from policy.runs.device import Machine, prepare
from policy.runs.memory import names_memory
from policy.runs.newest import given_or_newest
from policy.runs.run import find_checkpoint, run_folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluateConfig:
    """What to evaluate; every key is explained in configs/scripts/evaluate.yaml."""

    task: Annotated[EnvRequest, Inline()]
    checkpoint: Path | None
    out: Path | None
    episodes: Count
    seed: Seed
    candidates: Candidates
    temperature: Share | None
    late: Late
    machine: Annotated[Machine, Inline()]
    envs: Players
    gallery: Whole

    @property
    def folder(self) -> Path:
        """Where to write."""
        return self.out or run_folder(given_or_newest(self.checkpoint))


@dataclass(frozen=True)
class Judged:
    """A planner from disk, and what came of it.

    Attributes:
        loaded: The planner.
        critics: What chose among its plans; None: it was alone.
        evaluation: What came of it.
    """

    loaded: Loaded
    critics: SavedCritics | None
    evaluation: Evaluation

    def decide(self, config: EvaluateConfig) -> Decide | None:
        """Give anew what decided, where the planner now is; None: it did, by itself."""
        return _decide(config, self.loaded.planner, self.critics)


@dataclass(frozen=True)
class Court:
    """Where planners are judged.

    Attributes:
        env: The task.
        device: Where planners compute.
        envs: Episodes played side by side.
        pool: Gives their environments.
        stop: Whether the command was asked to stop.
    """

    env: EnvConfig
    device: torch.device
    envs: int
    pool: EnvPool
    stop: StopRequest

    def judge(
        self,
        planner: Policy,
        seeds: Sequence[int],
        decide: Decide | None = None,
        *,
        quiet: bool = False,
    ) -> Evaluation:
        """Play the episodes of an evaluation; see `evaluate`."""
        with names_memory("evaluating", "give fewer envs="):
            planner.to(self.device)
            envs = self.pool.take(self.env, planner, envs=self.envs)
            return evaluate(
                planner,
                envs,
                seeds,
                success_at=self.env.success_at,
                quiet=quiet,
                stop=self.stop,
                decide=decide,
            )


def judge(config: EvaluateConfig) -> Judged:
    """Evaluate a checkpoint (of the newest run, where none is named) and note the outcome.

    Raises:
        InputError: The checkpoint is missing, or was made for another task; or there are several
            candidates, and no critics to choose by.
    """
    checkpoint = find_checkpoint(given_or_newest(config.checkpoint))
    device = prepare(config.machine.device, config.machine.threads)
    loaded = load_for(checkpoint, config.task)
    about, env = loaded.about, loaded.env
    planner = tempered(loaded.planner, config.temperature, checkpoint).to(device)
    critics, stage = None, of_checkpoint(checkpoint, str(about["stage"]))
    stage = at_temperature(stage, config.temperature)
    if config.candidates > 1:
        critics, stage = load_critics(checkpoint, about), guided(stage)
    decide = _decide(config, planner, critics)
    with stop_request() as stop, EnvPool(config.machine.workers, config.machine.launcher) as pool:
        court = Court(env, device, config.envs, pool, stop)
        seeds = evaluation_seeds(config.seed, config.episodes)
        evaluation = court.judge(planner, seeds, decide)
    of = judged(about, env, config.candidates, config.late, config.temperature)
    write_evaluation(
        config.out or run_folder(checkpoint), delayed(stage, config.late), evaluation, of
    )
    logger.info("%s (%s): %s", checkpoint, stage, evaluation)
    return Judged(loaded, critics, evaluation)


def _decide(config: EvaluateConfig, planner: Policy, critics: SavedCritics | None) -> Decide | None:
    decide = None if critics is None else critics.guide(planner, config.candidates)
    return LatePlans(planner, config.late, decide) if config.late.changes else decide
