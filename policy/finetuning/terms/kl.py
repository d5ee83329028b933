"""Eq. 23: stay near the planner as it was before fine-tuning."""

import copy
from dataclasses import dataclass

import torch

from configs.ranges import NotNegative
from policy.finetuning.minibatch import Minibatch
from policy.finetuning.terms.term import TermLoss
from policy.planner.planner import Planner
from policy.planner.schedule import divergence


@dataclass(frozen=True)
class Config:
    """How to stay near; there is only the weight (lambda)."""

    kind: str
    weight: NotNegative


def make(config: Config, planner: Planner) -> "PriorDivergence":
    """Make the term, with a copy of the planner as it is now."""
    return PriorDivergence(copy.deepcopy(planner).requires_grad_(requires_grad=False))


@dataclass(frozen=True)
class PriorDivergence:
    """KL divergence of the minibatch's denoising steps from those of the prior."""

    prior: Planner

    def loss(self, minibatch: Minibatch) -> TermLoss:
        """Give the mean divergence."""
        with torch.no_grad():
            contexts = minibatch.encode(minibatch.experience.chunks, minibatch.chunk, self.prior)
            before = minibatch.step_of(self.prior, contexts)
        return TermLoss(minibatch.reduce(divergence(minibatch.now, before)).mean())
