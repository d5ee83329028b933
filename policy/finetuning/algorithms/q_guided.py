"""Guided by a critic: play the best of several plans, and teach the planner to propose those.

Critics over executed chunks learn from every decision ever made: their targets are the reward plus
the discounted mean value of the next decision's candidates (`critic.backup`). Episodes are played
by the best of N plans; the planner learns, by its own denoising loss, the plan that the critics
prefer among all that were candidates, and its best episodes (Eq. 14). Some episodes it plays alone:
unless guided ones succeed more often, nothing but the best episodes is taught.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import torch
from torch import Tensor

from configs.progress import progress
from configs.ranges import Share, between
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.diverging import Watched, means
from policy.finetuning.guided.decisions import Decided
from policy.finetuning.guided.distilling import DistilConfig, Lessons, fresh_plans, preferred
from policy.finetuning.guided.guide import Guide
from policy.finetuning.guided.learner import CriticLearner, LearnerConfig
from policy.finetuning.guided.trial import Trial, TrialConfig
from policy.planner.planner import Planner
from policy.rollouts.rollout import Rollout


@dataclass(frozen=True)
class Config(LearnerConfig):
    """How to learn, guided by critics.

    Attributes:
        batch: Chunks in a gradient step of the planner.
        imitated: Share of them that are from the target buffer.
        distil: How the planner alone catches up in the end.
        trial: How it is known whether critics help; while they do not, all chunks are imitated.
    """

    batch: Annotated[int, between(2, 2**20)]
    imitated: Share
    distil: DistilConfig
    trial: TrialConfig


def make(config: Config, planner: Planner, finetune: FinetuneConfig, seed: int) -> "QGuided":
    """Make the algorithm."""
    return QGuided(config, planner, finetune, seed)


class QGuided(CriticLearner):
    """Plays by the best plan and teaches it to the planner; see `Algorithm`."""

    def __init__(
        self, config: Config, planner: Planner, finetune: FinetuneConfig, seed: int
    ) -> None:
        super().__init__(config, planner, finetune, seed)
        self._config, self._trial = config, Trial(config.trial)

    def decide(self, *, explore: bool) -> Guide:
        """How to play; while learning, every episode in a way of its own."""
        first, trial = self._observed, self._trial
        guide = super().decide(explore=explore)
        return replace(guide, way=lambda slot: trial.way(first + slot))

    def observe(self, rollout: Rollout) -> None:
        """Remember every decision, the best episodes, and how each way to play went."""
        if self._exploring:
            self._trial.note(self._observed, rollout.episodes.successes, rollout.returns)
        super().observe(rollout)

    def finish(self) -> None:
        """Imitate the best episodes, and then, if critics have earned it, guided play.

        Raises:
            DivergedError: A loss is not finite.
        """
        config = self._config.distil
        steps = progress(range(config.steps), "distil", unit="step")
        means(self._step(config.imitated, config.candidates) for _ in steps)
        if config.taught and self._trial.earned:
            for _ in range(config.rounds):
                means(self._lessons())

    def _lessons(self) -> Iterator[Watched]:
        """Take gradient steps towards what critics prefer among the plans of the planner as it is.

        Plans of the planner that learns would drift: each step would move what the next one is
        chosen among, to where critics believe too much.
        """
        config, generator = self._config.distil, self._generator
        count = self._config.explore.candidates
        lessons = Lessons.of(self._planner, self.critics, self._drawn, config, count, generator)
        for _ in progress(range(config.taught), "teach", unit="step"):
            taught = lessons.sample(self._config.batch, generator)
            yield {"planner_loss": self._descend(self._denoising_loss(0, taught))}

    def _planner_step(self) -> Watched:
        return self._step(self._config.imitated, 0)

    def _step(self, share: float, fresh: int) -> Watched:
        """Take a gradient step; so much of it is imitation, and so many plans are fresh."""
        batch = self._config.batch
        imitated = self._imitable(int(batch * (share if self._trial.earned else 1.0)))
        taught = []
        if imitated < batch:
            drawn = self._drawn(batch - imitated)
            taught = [(drawn.contexts, self._preferred(drawn, fresh))]
        return {"planner_loss": self._descend(self._denoising_loss(imitated, *taught))}

    def _preferred(self, drawn: Decided, fresh: int) -> Tensor:
        """Take what the critics prefer among the candidates, and among so many fresh ones."""
        candidates = drawn.candidates
        if fresh:
            plans = fresh_plans(self._planner, drawn.contexts, fresh, self._generator)
            candidates = torch.cat([candidates, plans], dim=1)
        return preferred(self.critics, drawn, candidates)

    def summary(self) -> dict[str, float]:
        """Say also whether critics have earned that they are listened to."""
        trial = {f"finetune/{name}": value for name, value in self._trial.summary.items()}
        return {**super().summary(), **trial}

    def state(self) -> dict[str, Any]:
        """Everything but the planner that the next update depends on."""
        return {**super().state(), "trial": self._trial.state()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        super().load(state)
        self._trial.load(state["trial"])
