"""What a term of the fine-tuning objective is.

A term is a module with `Config` (frozen dataclass with `kind`, `weight` and its own keys) and
`make(config, planner)`, which gives a `Term`; `planner` is the one that learns, as it is before.
"""

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from configs.kinds import Kind
from policy.finetuning.minibatch import Minibatch

TERMS = "policy.finetuning.terms"


@runtime_checkable
class TermConfig(Kind, Protocol):
    """The configuration of any term."""

    @property
    def weight(self) -> float:
        """The factor of the term in the objective; at 0 it is only watched."""


@dataclass(frozen=True)
class TermLoss:
    """A loss, and by name what to watch while it is minimised."""

    loss: Float[Tensor, ""]
    metrics: dict[str, Float[Tensor, ""]] = field(default_factory=dict)


@runtime_checkable
class Term(Protocol):
    """One loss of the sum."""

    def loss(self, minibatch: Minibatch) -> TermLoss:
        """Give the loss on a minibatch, with gradients into the planner."""
