"""The conditional 1-D U-Net over an action chunk (Diffusion Policy's, in DP3's sizes).

Over horizons as short as these (4, then 2, then 1 steps) a convolution touches nearly every pair of
steps, so it is computed as one matrix product over (channel, step): same weights, same result to
rounding, several times faster on a CPU.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal, cast

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float, Int
from torch import Tensor, nn

SHORT = 5  # Steps: beyond, most of the matrix would be zeros.

Films = list[Float[Tensor, "batch _"]]  # One per residual block, of its own size.


@dataclass(frozen=True)
class UnetConfig:
    """Sizes of the U-Net.

    Attributes:
        kind: Tells this from other denoisers.
        widths: Channels of each level; the horizon is halved between levels.
        blocks: Residual blocks per level, and in the middle (Simple DP3: 1, DP3: 2).
        kernel: Width of the convolutions.
        groups: Of the group normalisation.
        step_features: Size of the embedding of the denoising step.
        context_features: Numbers that a linear layer makes of the context first, as in
            CleanDiffuser's ChiUNet1d; None takes the context as it is.
    """

    kind: Literal["unet"]
    widths: tuple[int, ...]
    blocks: int
    kernel: int
    groups: int
    step_features: int
    context_features: int | None


Products = dict[int, Float[Tensor, "_ _"]]  # The matrix of a layer for each number of steps.


class ShortConv1d(nn.Conv1d):
    """A convolution that becomes a matrix product when its input is short."""

    products: Products | None = None

    def forward(self, x: Float[Tensor, "batch before steps"]) -> Float[Tensor, "batch after _"]:
        """Convolve along the last axis."""
        steps, kernel = x.shape[-1], self.kernel_size[0]
        if kernel == 1:
            return self.weight[:, :, 0] @ x + cast(Tensor, self.bias)[:, None]
        if steps > SHORT:
            return super().forward(x)
        taps = _taps(steps, kernel, self.stride[0], cast(int, self.padding[0]))
        return _as_product(self, x, taps)


class ShortConvTranspose1d(nn.ConvTranspose1d):
    """A transposed convolution that becomes a matrix product for short inputs."""

    products: Products | None = None

    def forward(self, x: Float[Tensor, "batch before steps"]) -> Float[Tensor, "batch after _"]:  # type: ignore[override]
        """Convolve along the last axis."""
        steps, kernel, stride = x.shape[-1], self.kernel_size[0], self.stride[0]
        if steps > SHORT:
            return super().forward(x)
        taps = _transposed_taps(steps, kernel, stride, cast(int, self.padding[0]))
        return _as_product(self, x, taps)


@cache
def _taps(steps: int, kernel: int, stride: int, padding: int) -> Int[Tensor, "steps out"]:
    """Tell which tap of a convolution joins each step before with each after; some are none."""
    out_steps = (steps + 2 * padding - kernel) // stride + 1
    return torch.arange(steps)[:, None] - (torch.arange(out_steps) * stride - padding)


@cache
def _transposed_taps(
    steps: int, kernel: int, stride: int, padding: int
) -> Int[Tensor, "steps out"]:
    """Tell the same for a transposed convolution."""
    out_steps = (steps - 1) * stride - 2 * padding + kernel
    return torch.arange(out_steps) + padding - torch.arange(steps)[:, None] * stride


ShortLayer = ShortConv1d | ShortConvTranspose1d


def _as_product(
    layer: ShortLayer,
    x: Float[Tensor, "batch before steps"],
    taps: Int[Tensor, "steps out"],
) -> Float[Tensor, "batch after out"]:
    """Apply a layer as one product; `taps` tells which tap joins which steps, if any."""
    products = {} if layer.products is None else layer.products
    if len(taps) not in products:
        products[len(taps)] = _product_matrix(layer, taps)
    matrix = products[len(taps)]
    flat = x.flatten(1) @ matrix
    bias = cast(Tensor, layer.bias)
    return cast(Tensor, flat.unflatten(1, (-1, taps.shape[1])) + bias[:, None])


def _product_matrix(
    layer: ShortLayer, taps: Int[Tensor, "steps out"]
) -> Float[Tensor, "before_steps after_out"]:
    """Spread a layer's taps over a (before, step) x (after, step) matrix.

    Itself a product, with a matrix of zeros and ones: its gradient then is one too, which is much
    faster than that of indexing.
    """
    numbers = torch.arange(layer.kernel_size[0])
    chosen = (taps.flatten() == numbers[:, None]).to(layer.weight)
    spread = (layer.weight @ chosen).unflatten(-1, taps.shape)
    if isinstance(layer, nn.Conv1d):
        spread = spread.transpose(0, 1)
    return cast(Tensor, spread.transpose(1, 2).flatten(2).flatten(0, 1))


class ConvBlock(nn.Module):
    """Convolution, group normalisation, Mish."""

    def __init__(self, before: int, after: int, config: UnetConfig) -> None:
        super().__init__()
        self.conv = ShortConv1d(before, after, config.kernel, padding=config.kernel // 2)
        self.norm = nn.GroupNorm(config.groups, after)

    def forward(self, x: Float[Tensor, "batch before steps"]) -> Float[Tensor, "batch after steps"]:
        """Apply the block."""
        return F.mish(self.norm(self.conv(x)))


class ResidualBlock(nn.Module):
    """Two convolution blocks with a scale and shift from the condition in between (FiLM)."""

    def __init__(self, before: int, after: int, condition: int, config: UnetConfig) -> None:
        super().__init__()
        self.first = ConvBlock(before, after, config)
        self.second = ConvBlock(after, after, config)
        self.film = nn.Linear(condition, 2 * after)
        self.shortcut = nn.Identity() if before == after else ShortConv1d(before, after, 1)

    def forward(
        self, x: Float[Tensor, "batch before steps"], film: Float[Tensor, "batch film"]
    ) -> Float[Tensor, "batch after steps"]:
        """Apply the block under a film that `film(mish(condition))` gave."""
        scale, shift = film.unsqueeze(-1).chunk(2, dim=1)
        return cast(Tensor, self.second(self.first(x) * scale + shift) + self.shortcut(x))


class Level(nn.Module):
    """Residual blocks of one resolution, then the change to the next."""

    def __init__(self, blocks: list[ResidualBlock], resize: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.resize = resize


class Denoiser(nn.Module):
    """Predicts what is to be removed from (or left of) a noisy chunk, given a context.

    Called as `denoiser(noisy, k, context)`; the same in two parts is
    `denoise(noisy, films(k, context))`, of which the first does not depend on the chunk.
    """

    def forward(
        self,
        noisy: Float[Tensor, "batch horizon action"],
        k: Int[Tensor, " batch"],
        context: Float[Tensor, "batch context"],
    ) -> Float[Tensor, "batch horizon action"]:
        """Predict for chunks at denoising steps k."""
        return self.denoise(noisy, self.films(k, context))

    def films(self, k: Int[Tensor, " batch"], context: Float[Tensor, "batch context"]) -> Films:
        """Compute everything that does not depend on the chunk."""
        raise NotImplementedError

    def denoise(
        self, noisy: Float[Tensor, "batch horizon action"], films: Films
    ) -> Float[Tensor, "batch horizon action"]:
        """Predict for chunks under films made before."""
        raise NotImplementedError

    @contextmanager
    def fixed_weights(self) -> Iterator[None]:
        """Promise that no weight changes meanwhile; nothing is made of it here."""
        yield


class Unet(Denoiser):
    """Predicts what is to be removed from (or left of) a noisy chunk, given a context.

    Args:
        action_size: Numbers in an action.
        context_size: Numbers in the context (the encoded history).
        config: Sizes. With Simple DP3's, 28 actions and a context of 256: 7,396,764 parameters.
    """

    def __init__(self, action_size: int, context_size: int, config: UnetConfig) -> None:
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

    @contextmanager
    def fixed_weights(self) -> Iterator[None]:
        """Promise that no weight changes meanwhile: products of weights are made only once."""
        layers = [m for m in self.modules() if isinstance(m, ShortConv1d | ShortConvTranspose1d)]
        before = [layer.products for layer in layers]
        for layer in layers:
            layer.products = {}
        try:
            yield
        finally:
            for layer, products in zip(layers, before, strict=True):
                layer.products = products

    def films(self, k: Int[Tensor, " batch"], context: Float[Tensor, "batch context"]) -> Films:
        """Compute everything that does not depend on the chunk: one film per residual block."""
        step = self.step_embedding(sinusoids(k, self.config.step_features))
        condition = F.mish(torch.cat([step, self.context(context)], dim=-1))
        return [block.film(condition) for block in self._blocks()]

    def denoise(
        self, noisy: Float[Tensor, "batch horizon action"], films: Films
    ) -> Float[Tensor, "batch horizon action"]:
        """Predict for chunks under films made before."""
        film = iter(films)
        x = noisy.transpose(1, 2)
        skips = []
        for level in self.down:
            for block in cast(Level, level).blocks:
                x = block(x, next(film))
            skips.append(x)
            x = cast(Level, level).resize(x)
        for block in self.middle:
            x = block(x, next(film))
        for level in self.up:
            x = torch.cat([x, skips.pop()], dim=1)
            for block in cast(Level, level).blocks:
                x = block(x, next(film))
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


@cache
def _frequencies(count: int, device: torch.device) -> Float[Tensor, " count"]:
    return torch.exp(torch.arange(count, device=device) * (-math.log(10000) / (count - 1)))


def sinusoids(k: Int[Tensor, " batch"], size: int) -> Float[Tensor, "batch size"]:
    """Embed denoising steps as sines and cosines of many frequencies (Vaswani et al., 2017)."""
    angle = k[:, None].float() * _frequencies(size // 2, k.device)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)
