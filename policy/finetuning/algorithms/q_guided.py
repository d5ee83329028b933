"""Guided by a critic: play the best of several plans, and teach the planner to propose those.

Critics over executed chunks learn from every decision ever made: their targets are the reward plus
the discounted value of the best candidate of the next decision. Episodes are played by the best of
N plans; the planner learns, by its own denoising loss, the plan that the critics prefer among all
that were candidates, and its best episodes (Eq. 14).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from configs.progress import progress
from configs.ranges import Share, between
from policy.finetuning.buffers import TargetBuffer
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.guided.critics import CriticConfig
from policy.finetuning.guided.decisions import Decided
from policy.finetuning.guided.distilling import DistilConfig, fresh_plans
from policy.finetuning.guided.guide import ExploreConfig, Guide
from policy.finetuning.guided.learner import CriticLearner
from policy.planner.planner import Planner


@dataclass(frozen=True)
class Config:
    """How to learn, guided by critics.

    Attributes:
        explore: How episodes are played.
        critic: How critics learn.
        batch: Chunks in a gradient step of the planner.
        imitated: Share of them that are from the target buffer.
        imitates: What the buffer holds while few episodes have succeeded: the `best` ones in their
            place (the paper), or `successes` alone, and nothing is imitated before the first.
        capacity: The newest decisions that are learned from.
        distil: How the planner alone catches up in the end.
    """

    kind: str
    explore: ExploreConfig
    critic: CriticConfig
    batch: Annotated[int, between(2, 2**20)]
    imitated: Share
    imitates: Literal["best", "successes"]
    capacity: Annotated[int, between(1024, 2**24)]
    distil: DistilConfig


def make(config: Config, planner: Planner, finetune: FinetuneConfig, seed: int) -> "QGuided":
    """Make the algorithm."""
    return QGuided(config, planner, finetune, seed)


class QGuided(CriticLearner):
    """Plays by the best plan and teaches it to the planner; see `Algorithm`."""

    def __init__(
        self, config: Config, planner: Planner, finetune: FinetuneConfig, seed: int
    ) -> None:
        super().__init__(
            planner, finetune, critic=config.critic, capacity=config.capacity, seed=seed
        )
        self._config = config
        self._motion: Tensor | None = None  # Measured before the first step.
        if config.imitates == "successes":
            self.target = TargetBuffer(finetune.target_capacity, top=0)

    def decide(self, *, explore: bool) -> Guide:
        """How to play: before the first critic's step by the first plan."""
        config, motion = self._config.explore, self._motion
        return Guide(self._planner, self.critics.ready, config, explore=explore, motion=motion)

    def update(self, episodes: int, learning_rate: float) -> dict[str, float]:
        """Measure how far actions go that the planner proposes, once; then learn."""
        if self._config.explore.by_motion and self._motion is None:
            proposed = self._planner.executed(self.decisions.newest().candidates[:, :-1])
            self._motion = proposed.flatten(0, -2).std(dim=0)
        return super().update(episodes, learning_rate)

    def finish(self) -> None:
        """Teach the planner what its critics prefer, also of plans that it never tried.

        Raises:
            DivergedError: A loss is not finite.
        """
        config = self._config.distil
        for _ in progress(range(config.steps), "distil", unit="step"):
            self._teach(config.candidates)

    def _learn_to_plan(self) -> dict[str, float]:
        return {"planner_loss": self._teach(fresh=0)}

    def _teach(self, fresh: int) -> float:
        """Take a gradient step on what the critics prefer, and on the best episodes."""
        imitated = int(self._config.batch * self._config.imitated)
        drawn = self._drawn(self._config.batch - imitated)
        preferred = self._preferred(drawn, fresh)
        return self._descend(self._imitation_loss(imitated, (drawn.contexts, preferred)))

    def _preferred(self, drawn: Decided, fresh: int) -> Tensor:
        """Take what the critics prefer among the candidates, and among so many fresh ones."""
        candidates = drawn.candidates
        if fresh:
            plans = fresh_plans(self._planner, drawn.contexts, fresh, self._generator)
            candidates = torch.cat([candidates, plans], dim=1)
        choice = self.critics.least(drawn, candidates).argmax(dim=1)
        return candidates[torch.arange(len(drawn)), choice]

    def state(self) -> dict[str, Any]:
        """Everything but the planner that the next update depends on."""
        return {**super().state(), "motion": self._motion}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        super().load(state)
        self._motion = state["motion"]
