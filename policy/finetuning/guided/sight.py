"""What critics see of a situation: the encoder's context, the simulator's state, or both."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

Sees = Literal["context", "state", "both"]

ROUNDS = 100.0  # What the number of rounds played is divided by, as an input of critics.
STILL = 0.01  # The least std that features are divided by: what hardly moved is not blown up.
FARTHEST = 10.0  # Standard deviations beyond which features look alike.


@dataclass(frozen=True)
class Sight:
    """Describes situations; the simulator's features, of many units, by their statistics.

    Attributes:
        sees: See `CriticConfig`.
        mean: Of each feature, over the decisions that are kept; None before there are any.
        std: Likewise.
    """

    sees: Sees = "context"
    mean: Float[Tensor, " feature"] | None = None
    std: Float[Tensor, " feature"] | None = None

    def measured(self, features: Float[Tensor, "decision feature"]) -> "Sight":
        """Take the statistics of decisions, where features are seen at all."""
        if self.sees == "context":
            return self
        std = features.std(dim=0, correction=0).clamp(min=STILL)
        return replace(self, mean=features.mean(dim=0), std=std)

    def __call__(
        self, contexts: Float[Tensor, "*lead context"], features: Float[Tensor, "*lead feature"]
    ) -> Float[Tensor, "*lead seen"]:
        """Put together what describes a situation, but for its time.

        Raises:
            ValueError: The state is to be seen, and was never measured.
        """
        if self.sees == "context":
            return contexts
        if self.mean is None or self.std is None:
            raise ValueError("The simulator's features were not measured yet")
        scaled = (features - self.mean.to(features)) / self.std.to(features)
        scaled = scaled.clamp(-FARTHEST, FARTHEST)
        return scaled if self.sees == "state" else torch.cat([contexts, scaled], dim=-1)

    def state(self) -> dict[str, Any]:
        """Plain values and tensors, for a checkpoint."""
        return {"mean": self.mean, "std": self.std}

    def load(self, state: Mapping[str, Any]) -> "Sight":
        """Take back what `state` gave."""
        return replace(self, mean=state["mean"], std=state["std"])


OF_CONTEXT = Sight()


def situation(
    seen: Float[Tensor, "*lead seen"], elapsed: Float[Tensor, " *lead"]
) -> Float[Tensor, "*lead feature"]:
    """Add to what is seen how long the episode has lasted."""
    return torch.cat([seen, elapsed[..., None] / ROUNDS], dim=-1)
