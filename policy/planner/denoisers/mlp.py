"""A small multi-layer perceptron over the whole chunk: 0.3 million parameters, for learning fast.

Three layers with a skip; the denoising step and the context shift the hidden units (FiLM without
scales, Perez et al., AAAI 2018).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float, Int, Num
from torch import Tensor, nn

from configs.ranges import Range, Width
from policy.planner.denoisers.denoiser import Denoiser, TensorConditions, batch_steps, sinusoids


@dataclass(frozen=True)
class Config:
    """Sizes of the perceptron.

    Attributes:
        kind: This module's name.
        width: Hidden units of each layer.
        step: Numbers that the denoising step is embedded as.
    """

    kind: Literal["mlp"]
    width: Width
    step: Annotated[int, Range(4, 65536, multiple_of=2)]


class MLP(Denoiser[TensorConditions]):
    """The perceptron; its conditions are what is added to the two hidden layers.

    Args:
        horizon: Actions in a chunk.
        action_size: Numbers in an action.
        context_size: Numbers in the context (the encoded history).
        config: Sizes.
    """

    def __init__(
        self, horizon: int, action_size: int, context_size: int, *, config: Config
    ) -> None:
        super().__init__()
        self.config, self._shape = config, (horizon, action_size)
        width, numbers = config.width, horizon * action_size
        self.condition = nn.Linear(config.step + context_size, width)
        self.films = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.enter = nn.Linear(numbers, width, bias=False)
        self.middle = nn.Linear(width, width, bias=False)
        self.leave = nn.Linear(width, numbers)

    def conditions(
        self, k: Num[Tensor, " batch"], context: Float[Tensor, "batch context"]
    ) -> TensorConditions:
        """Compute everything that does not depend on the chunk."""
        step = sinusoids(k, self.config.step)
        condition = F.relu(self.condition(torch.cat([step, context], dim=-1)))
        return [film(condition) for film in self.films]

    def conditions_of_steps(
        self, grid: Int[Tensor, " S"], context: Float[Tensor, "batch context"]
    ) -> Sequence[TensorConditions]:
        """Compute the conditions of each step of a sampling grid in one pass."""
        return batch_steps(self, grid, context)

    def denoise(
        self, noisy: Float[Tensor, "batch horizon action"], conditions: TensorConditions
    ) -> Float[Tensor, "batch horizon action"]:
        """Predict for chunks under conditions computed before."""
        first, second = conditions
        x = F.relu(self.enter(noisy.flatten(1)) + first)
        x = x + F.relu(self.middle(x) + second)
        chunk: Tensor = self.leave(x).unflatten(1, self._shape)
        return chunk


def make(config: Config, horizon: int, action_size: int, context_size: int) -> MLP:
    """Make a perceptron.

    Args:
        config: Sizes.
        horizon: Actions in a chunk.
        action_size: Numbers in an action.
        context_size: Numbers in the context (the encoded history).
    """
    return MLP(horizon, action_size, context_size, config=config)
