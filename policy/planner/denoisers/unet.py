"""The conditional 1-D U-Net over an action chunk (Diffusion Policy's, in DP3's sizes)."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal, cast

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float, Int, Num
from torch import Tensor, nn

from configs.ranges import Filled, Width, between, require
from perception.errors import InputError
from policy.planner.denoisers.denoiser import Denoiser, TensorConditions, batch_steps, sinusoids
from policy.planner.denoisers.short_conv import ShortConv1d, ShortConvTranspose1d, fixed_products


@dataclass(frozen=True)
class Config:
    """Sizes of the U-Net.

    Attributes:
        kind: This module's name.
        widths: Channels of each level; the horizon is halved between levels.
        blocks: Residual blocks per level, and in the middle (Simple DP3: 1, DP3: 2).
        kernel: Width of the convolutions.
        groups: Of the group normalisation.
        step_features: Size of the embedding of the denoising step.
        context_features: Numbers that a linear layer makes of the context first, as in
            CleanDiffuser's ChiUNet1d; None takes the context as it is.
    """

    kind: Literal["unet"]
    widths: Annotated[tuple[Width, ...], Filled()]
    blocks: Annotated[int, between(1, 256)]
    kernel: Annotated[int, between(1, 63)]
    groups: Width
    step_features: Annotated[int, between(4, 65536)]
    context_features: Width | None

    def __post_init__(self) -> None:
        whole = not any(width % self.groups for width in self.widths)
        require(whole, f"@widths={list(self.widths)} must be multiples of @groups={self.groups}")
        require(self.kernel % 2 == 1, f"@kernel={self.kernel} must be odd")
        require(self.step_features % 2 == 0, f"@step_features={self.step_features} must be even")

    @property
    def horizon_multiple(self) -> int:
        """What must divide the horizon: it is halved between levels."""
        return int(2 ** (len(self.widths) - 1))


class ConvBlock(nn.Module):
    """Convolution, group normalisation, Mish."""

    def __init__(self, before: int, after: int, config: Config) -> None:
        super().__init__()
        self.conv = ShortConv1d(before, after, config.kernel, padding=config.kernel // 2)
        self.norm = nn.GroupNorm(config.groups, after)

    def forward(self, x: Float[Tensor, "batch before steps"]) -> Float[Tensor, "batch after steps"]:
        """Apply the block."""
        return F.mish(self.norm(self.conv(x)))


class ResidualBlock(nn.Module):
    """Two convolution blocks with a scale and shift from the condition in between (FiLM)."""

    def __init__(self, before: int, after: int, condition: int, config: Config) -> None:
        super().__init__()
        self.first = ConvBlock(before, after, config)
        self.second = ConvBlock(after, after, config)
        self.film = nn.Linear(condition, 2 * after)
        self.shortcut = nn.Identity() if before == after else ShortConv1d(before, after, 1)

    def forward(
        self, x: Float[Tensor, "batch before steps"], condition: Float[Tensor, "batch _"]
    ) -> Float[Tensor, "batch after steps"]:
        """Apply the block; the condition is what the layer `film` computed."""
        scale, shift = condition.unsqueeze(-1).chunk(2, dim=1)
        return cast(Tensor, self.second(self.first(x) * scale + shift) + self.shortcut(x))


class Level(nn.Module):
    """Residual blocks of one resolution, then the change to the next."""

    def __init__(self, blocks: list[ResidualBlock], resize: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.resize = resize


class Unet(Denoiser[TensorConditions]):
    """The U-Net; its conditions are the scales and shifts of each residual block.

    Args:
        action_size: Numbers in an action.
        context_size: Numbers in the context (the encoded history).
        config: Sizes. With Simple DP3's, 28 actions and a context of 256: 7,396,764 parameters.
    """

    def __init__(self, action_size: int, context_size: int, config: Config) -> None:
        super().__init__()
        self.config = config
        size, features = config.step_features, config.context_features
        self.step_embedding = nn.Sequential(
            nn.Linear(size, 4 * size), nn.Mish(), nn.Linear(4 * size, size)
        )
        self.context = nn.Identity() if features is None else nn.Linear(context_size, features)
        condition = size + (context_size if features is None else features)

        def blocks(before: int, after: int) -> list[ResidualBlock]:
            widths = [before] + [after] * config.blocks
            return [ResidualBlock(a, b, condition, config) for a, b in pairwise(widths)]

        widths = (action_size, *config.widths)
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(
            Level(blocks(a, b), ShortConv1d(b, b, 3, 2, 1) if level else nn.Identity())
            for level, (a, b) in zip(reversed(range(len(pairs))), pairs, strict=True)
        )
        self.middle = nn.ModuleList(blocks(widths[-1], widths[-1]))
        self.up = nn.ModuleList(
            Level(blocks(2 * b, a), ShortConvTranspose1d(a, a, 4, 2, 1)) for a, b in pairs[:0:-1]
        )
        self.final = nn.Sequential(
            ConvBlock(widths[1], widths[1], config), ShortConv1d(widths[1], action_size, 1)
        )

    def fixed_weights(self) -> AbstractContextManager[None]:
        """Promise that no weight changes inside the `with`: products of weights are kept."""
        return fixed_products(self)

    def conditions(
        self, k: Num[Tensor, " batch"], context: Float[Tensor, "batch context"]
    ) -> TensorConditions:
        """Compute everything that does not depend on the chunk."""
        step = self.step_embedding(sinusoids(k, self.config.step_features))
        condition = F.mish(torch.cat([step, self.context(context)], dim=-1))
        return [block.film(condition) for block in self._blocks()]

    def conditions_of_steps(
        self, grid: Int[Tensor, " S"], context: Float[Tensor, "batch context"]
    ) -> Sequence[TensorConditions]:
        """Compute the conditions of each step of a sampling grid in one pass."""
        return batch_steps(self, grid, context)

    def denoise(
        self, noisy: Float[Tensor, "batch horizon action"], conditions: TensorConditions
    ) -> Float[Tensor, "batch horizon action"]:
        """Predict for chunks under conditions computed before."""
        condition = iter(conditions)
        x = noisy.transpose(1, 2)
        skips = []
        for level in self.down:
            for block in cast(Level, level).blocks:
                x = block(x, next(condition))
            skips.append(x)
            x = cast(Level, level).resize(x)
        for block in self.middle:
            x = block(x, next(condition))
        for level in self.up:
            x = torch.cat([x, skips.pop()], dim=1)
            for block in cast(Level, level).blocks:
                x = block(x, next(condition))
            x = cast(Level, level).resize(x)
        return cast(Tensor, self.final(x).transpose(1, 2))

    def _blocks(self) -> list[ResidualBlock]:
        """The residual blocks in the order in which `denoise` uses them."""
        levels = [
            *self.down,
            Level(cast(list[ResidualBlock], list(self.middle)), nn.Identity()),
            *self.up,
        ]
        return [cast(ResidualBlock, b) for level in levels for b in cast(Level, level).blocks]


def make(config: Config, horizon: int, action_size: int, context_size: int) -> Unet:
    """Make a U-Net.

    Args:
        config: Sizes.
        horizon: Actions in a chunk.
        action_size: Numbers in an action.
        context_size: Numbers in the context (the encoded history).

    Raises:
        InputError: The horizon cannot be halved as often as there are levels.
    """
    if horizon % config.horizon_multiple:
        raise InputError(f"horizon={horizon} must be a multiple of {config.horizon_multiple}")
    return Unet(action_size, context_size, config)
