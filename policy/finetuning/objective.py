"""Eq. 15: what fine-tuning minimises is the sum of weight x term over the terms chosen."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from configs.kinds import make_kind
from perception.errors import InputError
from policy.finetuning.minibatch import Minibatch
from policy.finetuning.terms.term import TERMS, Term, TermConfig, TermLoss
from policy.planner.planner import Planner


class Objective:
    """The weighted terms for one planner.

    Args:
        planner: Learns.
        configs: Of the terms, by name.

    Raises:
        InputError: There is no term.
    """

    def __init__(self, planner: Planner, configs: Mapping[str, TermConfig]) -> None:
        if not configs:
            raise InputError("finetune.algorithm.terms names no term: nothing would be learned")
        self._weights = {name: config.weight for name, config in configs.items()}
        self._terms: dict[str, Term] = {
            name: make_kind(TERMS, config, planner) for name, config in configs.items()
        }

    def losses(self, minibatch: Minibatch) -> dict[str, TermLoss]:
        """Give the loss of each term, not yet weighted."""
        return {name: term.loss(minibatch) for name, term in self._terms.items()}

    def weighted(self, losses: Mapping[str, TermLoss]) -> dict[str, Float[Tensor, ""]]:
        """Give weight x loss of each term."""
        return {name: self._weights[name] * term.loss for name, term in losses.items()}

    def total(self, losses: Mapping[str, TermLoss]) -> Float[Tensor, ""]:
        """Sum the weighted losses."""
        return torch.stack(list(self.weighted(losses).values())).sum()
