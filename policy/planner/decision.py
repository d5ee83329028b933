"""What is decided at each plan: the plans to follow, and what they were chosen from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from policy.planner.schedule import Chain


@dataclass(frozen=True)
class Decision:
    """The plans to follow, and what they were chosen from.

    Attributes:
        plans: Normalised; their executed part is executed.
        candidates: All plans that could have been chosen; none where there was no choice.
        chain: How the plans came out of noise; None where they are changed or chosen ones.
    """

    plans: Float[Tensor, "env horizon action"]
    candidates: Float[Tensor, "env candidate horizon action"]
    chain: Chain | None

    @classmethod
    def of(cls, plans: Float[Tensor, "env horizon action"], chain: Chain | None) -> "Decision":
        """Decide for plans that were not chosen among others."""
        return cls(plans, plans[:, None][:, :0], chain)


@runtime_checkable
class Decide(Protocol):
    """Decides what to do in every episode."""

    def __call__(
        self,
        contexts: Float[Tensor, "env context"],
        generators: Sequence[torch.Generator],
        elapsed: int,
        features: Float[Tensor, "env feature"] | None = None,
    ) -> Decision:
        """Decide from encoded histories, each episode's own noise, and the rounds played so far.

        `features` are the simulator's, of no width (or None) where the world was not asked for any.
        """
