"""What learns along with a planner and is thrown away: it teaches the encoder what actions do not.

Actions say little of what moves them little: a small mark in the scene changes an action by less
than its noise. A head predicts something else of what was seen, from the same features.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from datasets.windows import Batch
from policy.planner.policy import Draws


class Head(nn.Module, ABC):
    """A network beside the denoiser, on the same encoded histories."""

    def draw(self, count: int, generator: torch.Generator) -> Draws:
        """Draw what the loss of so many windows needs, each part with a leading axis batch."""
        return ()

    @abstractmethod
    def loss(
        self, context: Float[Tensor, "batch context"], batch: Batch, drawn: Draws
    ) -> Float[Tensor, ""]:
        """Compute its error as a share of what it would be without knowing anything."""


Heads = Mapping[str, Head]
"""Each by its name, which its loss has in the metrics too."""
