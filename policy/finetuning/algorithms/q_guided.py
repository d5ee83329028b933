"""Guided by a critic: play the best of several plans, and teach the planner to propose those.

Critics over executed chunks learn from every decision ever made: their targets are the reward plus
the discounted value of the best candidate of the next decision. Episodes are played by the best of
N plans; the planner learns, by its own denoising loss, the plan that the critics prefer among all
that were candidates, and its best episodes (Eq. 14).
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from configs.ranges import Share, between
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.guided.critics import CriticConfig
from policy.finetuning.guided.decisions import Decided
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
        capacity: The newest decisions that are learned from.
    """

    kind: str
    explore: ExploreConfig
    critic: CriticConfig
    batch: Annotated[int, between(2, 2**20)]
    imitated: Share
    capacity: Annotated[int, between(1024, 2**24)]


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

    def decide(self, *, explore: bool) -> Guide:
        """How to play: before the first critic's step by the first plan."""
        return Guide(self._planner, self.critics.ready, self._config.explore, explore=explore)

    def _learn_to_plan(self) -> dict[str, float]:
        imitated = int(self._config.batch * self._config.imitated)
        drawn = self._drawn(self._config.batch - imitated)
        loss = self._imitation_loss(imitated, (drawn.contexts, self._preferred(drawn)))
        return {"planner_loss": self._descend(loss)}

    def _preferred(self, drawn: Decided) -> Tensor:
        """Take what the critics prefer among the candidates."""
        choice = self.critics.least(drawn, drawn.candidates).argmax(dim=1)
        return drawn.candidates[torch.arange(len(drawn)), choice]
