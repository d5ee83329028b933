"""What every denoiser offers: a prediction for a noisy chunk, given a step and a context.

A denoiser is a module of this folder that exports `Config` and `make(config, horizon, action_size,
context_size)`, or a foreign class `module:Class` that is called with the same arguments.
"""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Generic, TypeVar

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn

ConditionT = TypeVar("ConditionT")


class Denoiser(nn.Module, Generic[ConditionT]):
    """Predicts the noise in a noisy chunk, or the clean chunk, given a context.

    Called as `denoiser(noisy, k, context)`. The same in two parts is
    `denoise(noisy, conditions(k, context))`, of which the first does not depend on the chunk.
    Nobody but the denoiser itself looks into its conditions: they may be of any type.
    """

    def forward(
        self,
        noisy: Float[Tensor, "batch horizon action"],
        k: Num[Tensor, " batch"],
        context: Float[Tensor, "batch context"],
    ) -> Float[Tensor, "batch horizon action"]:
        """Predict for chunks at denoising steps k."""
        return self.denoise(noisy, self.conditions(k, context))

    def conditions(
        self, k: Num[Tensor, " batch"], context: Float[Tensor, "batch context"]
    ) -> ConditionT:
        """Compute everything that does not depend on the chunk."""
        raise NotImplementedError

    def conditions_of_steps(
        self, grid: Int[Tensor, " S"], context: Float[Tensor, "batch context"]
    ) -> Sequence[ConditionT]:
        """Compute the conditions of each step of a sampling grid, in its order.

        One call per step; a denoiser whose conditions can be batched does better.
        """
        return [self.conditions(k.expand(len(context)), context) for k in grid]

    def denoise(
        self, noisy: Float[Tensor, "batch horizon action"], conditions: ConditionT
    ) -> Float[Tensor, "batch horizon action"]:
        """Predict for chunks under conditions computed before."""
        raise NotImplementedError

    def fixed_weights(self) -> AbstractContextManager[None]:
        """Promise that no weight changes inside the `with`: what follows from them may be kept."""
        return nullcontext()


TensorConditions = list[Float[Tensor, "batch _"]]  # The inputs of FiLM, one per block.


def batch_steps(
    denoiser: Denoiser[TensorConditions],
    grid: Int[Tensor, " S"],
    context: Float[Tensor, "batch context"],
) -> Sequence[TensorConditions]:
    """Compute conditions that are lists of tensors for all steps in one pass."""
    steps, batch = len(grid), len(context)
    conditions = denoiser.conditions(grid.repeat_interleave(batch), context.repeat(steps, 1))
    by_step = [condition.unflatten(0, (steps, batch)).unbind(0) for condition in conditions]
    return [list(of_step) for of_step in zip(*by_step, strict=True)]


@cache
def _frequencies(count: int, device: torch.device) -> Float[Tensor, " count"]:
    return torch.exp(torch.arange(count, device=device) * (-math.log(10000) / (count - 1)))


def sinusoids(k: Num[Tensor, " batch"], size: int) -> Float[Tensor, "batch size"]:
    """Embed steps or moments as sines and cosines of many frequencies (Vaswani et al., 2017)."""
    angle = k[:, None].float() * _frequencies(size // 2, k.device)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)
