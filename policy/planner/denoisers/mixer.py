"""A small MLP-mixer over an action chunk, for two denoising steps and short waits.

PocketDP3 (arXiv 2601.22018) reports that such a decoder, a hundredth of DP3's U-Net, is as good and
needs two denoising steps instead of ten. This is our own: Tolstikhin et al.'s mixer (NeurIPS 2021),
whose tokens are the steps of the chunk, conditioned on the denoising step and the context as in
Peebles and Xie's DiT (AdaLN-Zero, ICCV 2023).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, cast

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float, Int, Num
from torch import Tensor, nn

from configs.ranges import Width, between, require
from policy.planner.denoisers.denoiser import Denoiser, TensorConditions, batch_steps, sinusoids

SCALE, SHIFT, GATE = 1.0, 0.0, 0.0  # At first: each block is the identity.


@dataclass(frozen=True)
class Config:
    """Sizes of the mixer.

    Attributes:
        kind: This module's name.
        width: Channels of each step of the chunk.
        blocks: Each mixes the steps, then the channels.
        token_hidden: Hidden units where the steps are mixed.
        channel_hidden: Hidden units where the channels are mixed.
        condition: Numbers that the denoising step and the context are made into.
    """

    kind: Literal["mixer"]
    width: Width
    blocks: Annotated[int, between(1, 256)]
    token_hidden: Width
    channel_hidden: Width
    condition: Annotated[int, between(4, 65536)]

    def __post_init__(self) -> None:
        require(self.condition % 2 == 0, f"@condition={self.condition} must be even")


class MixerBlock(nn.Module):
    """Mixes the steps of a chunk, then its channels, each scaled, shifted and gated (AdaLN)."""

    def __init__(self, horizon: int, config: Config) -> None:
        super().__init__()
        self.tokens = _mlp(horizon, config.token_hidden)
        self.channels = _mlp(config.width, config.channel_hidden)
        self.film = _film(config.condition, config.width, (SCALE, SHIFT, GATE) * 2)

    def forward(
        self, x: Float[Tensor, "batch horizon width"], condition: Float[Tensor, "batch _"]
    ) -> Float[Tensor, "batch horizon width"]:
        """Apply the block; the condition is what the layer `film` computed."""
        scale, shift, gate, *second = condition.unsqueeze(1).chunk(6, dim=-1)
        mixed = self.tokens(_modulate(x, scale, shift).transpose(1, 2)).transpose(1, 2)
        x = torch.addcmul(x, gate, mixed)
        scale, shift, gate = second
        return torch.addcmul(x, gate, self.channels(_modulate(x, scale, shift)))


class Mixer(Denoiser[TensorConditions]):
    """The mixer; its conditions are the scales, shifts and gates of each block, then of the end.

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
        self.config = config
        size = config.condition
        self.step = nn.Sequential(nn.Linear(size, size), nn.Mish(), nn.Linear(size, size))
        self.context = nn.Linear(context_size, size)
        self.enter = nn.Linear(action_size, config.width)
        self.blocks = nn.ModuleList(MixerBlock(horizon, config) for _ in range(config.blocks))
        self.film = _film(size, config.width, (SCALE, SHIFT))
        self.leave = nn.Linear(config.width, action_size)

    def conditions(
        self, k: Num[Tensor, " batch"], context: Float[Tensor, "batch context"]
    ) -> TensorConditions:
        """Compute everything that does not depend on the chunk."""
        step = self.step(sinusoids(k, self.config.condition))
        condition = F.mish(step + self.context(context))
        blocks = [cast(MixerBlock, block) for block in self.blocks]
        return [*(block.film(condition) for block in blocks), self.film(condition)]

    def conditions_of_steps(
        self, grid: Int[Tensor, " S"], context: Float[Tensor, "batch context"]
    ) -> Sequence[TensorConditions]:
        """Compute the conditions of each step of a sampling grid in one pass."""
        return batch_steps(self, grid, context)

    def denoise(
        self, noisy: Float[Tensor, "batch horizon action"], conditions: TensorConditions
    ) -> Float[Tensor, "batch horizon action"]:
        """Predict for chunks under conditions computed before."""
        x = self.enter(noisy)
        for block, condition in zip(self.blocks, conditions[:-1], strict=True):
            x = block(x, condition)
        scale, shift = conditions[-1].unsqueeze(1).chunk(2, dim=-1)
        return cast(Tensor, self.leave(_modulate(x, scale, shift)))


def _mlp(size: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(size, hidden), nn.SiLU(), nn.Linear(hidden, size))


def _film(condition: int, width: int, start: tuple[float, ...]) -> nn.Linear:
    """Make the layer of a FiLM; at first it gives `start` whatever the condition."""
    film = nn.Linear(condition, len(start) * width)
    nn.init.zeros_(film.weight)
    film.bias = nn.Parameter(torch.tensor(start).repeat_interleave(width))
    return film


def _modulate(
    x: Float[Tensor, "batch horizon width"],
    scale: Float[Tensor, "batch 1 width"],
    shift: Float[Tensor, "batch 1 width"],
) -> Float[Tensor, "batch horizon width"]:
    """Normalise over the channels, then scale and shift."""
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:]), scale)


def make(config: Config, horizon: int, action_size: int, context_size: int) -> Mixer:
    """Make a mixer.

    Args:
        config: Sizes.
        horizon: Actions in a chunk.
        action_size: Numbers in an action.
        context_size: Numbers in the context (the encoded history).
    """
    return Mixer(horizon, action_size, context_size, config=config)
