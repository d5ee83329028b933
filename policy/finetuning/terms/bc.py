"""Eq. 14: behaviour cloning of the planner's own best episodes.

The target policy mu is approximated by the whole episodes of the target buffer.
"""

from dataclasses import dataclass

import torch

from configs.ranges import NotNegative
from perception.transfer import moved
from policy.finetuning.minibatch import Minibatch
from policy.finetuning.terms.term import TermLoss
from policy.planner.planner import Planner


@dataclass(frozen=True)
class Config:
    """How to clone; there is only the weight (lambda)."""

    kind: str
    weight: NotNegative


def make(config: Config, planner: Planner) -> "BehaviourCloning":
    """Make the term."""
    return BehaviourCloning()


class BehaviourCloning:
    """The pre-training loss on chunks of the target buffer."""

    def loss(self, minibatch: Minibatch) -> TermLoss:
        """Give the loss on as many chunks of the target buffer as the minibatch has pairs."""
        planner, target, generator = minibatch.planner, minibatch.target, minibatch.generator
        best = torch.randint(len(target.plans), minibatch.chunk.shape, generator=generator)
        best = moved(best, target.plans.device)
        contexts, plans = minibatch.encode(target, best), moved(target.plans[best], planner.device)
        return TermLoss(planner.denoising_loss(contexts, plans, generator))
