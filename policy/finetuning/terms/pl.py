"""Eq. 24: the pre-training loss on whatever the planner itself plans, good or bad."""

from dataclasses import dataclass

from configs.ranges import NotNegative
from policy.finetuning.minibatch import Minibatch
from policy.finetuning.terms.term import TermLoss
from policy.planner.planner import Planner


@dataclass(frozen=True)
class Config:
    """How to repeat pre-training; there is only the weight (lambda)."""

    kind: str
    weight: NotNegative


def make(config: Config, planner: Planner) -> "PretrainingLoss":
    """Make the term."""
    return PretrainingLoss()


class PretrainingLoss:
    """The pre-training loss on the minibatch's own plans."""

    def loss(self, minibatch: Minibatch) -> TermLoss:
        """Give the loss on the plans that the minibatch's pairs belong to."""
        planner = minibatch.planner
        plans = minibatch.experience.chunks.plans[minibatch.chunk].to(planner.device)
        return TermLoss(planner.denoising_loss(minibatch.contexts, plans, minibatch.generator))
