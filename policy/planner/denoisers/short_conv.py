"""Convolutions over very short chunks, computed as matrix products.

Over horizons as short as a U-Net's (4, then 2, then 1 steps) a convolution touches nearly every
pair of steps, so it is computed as one matrix product over (channel, step): same weights, same
result to rounding, several times faster on a CPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

SHORT = 5  # Steps: beyond, most of the matrix would be zeros.

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
        return _as_product(self, x)


class ShortConvTranspose1d(nn.ConvTranspose1d):
    """A transposed convolution that becomes a matrix product for short inputs."""

    products: Products | None = None

    def forward(self, x: Float[Tensor, "batch before steps"]) -> Float[Tensor, "batch after _"]:  # type: ignore[override]
        """Convolve along the last axis."""
        if x.shape[-1] > SHORT:
            return super().forward(x)
        return _as_product(self, x)


ShortLayer = ShortConv1d | ShortConvTranspose1d


@contextmanager
def fixed_products(network: nn.Module) -> Iterator[None]:
    """Compute the matrix of each short convolution of a network only once inside the `with`.

    The network's weights must not change meanwhile.
    """
    layers = [m for m in network.modules() if isinstance(m, ShortConv1d | ShortConvTranspose1d)]
    before = [layer.products for layer in layers]
    for layer in layers:
        layer.products = {}
    try:
        yield
    finally:
        for layer, products in zip(layers, before, strict=True):
            layer.products = products


def _as_product(
    layer: ShortLayer, x: Float[Tensor, "batch before steps"]
) -> Float[Tensor, "batch after out"]:
    """Apply a layer as one matrix product."""
    products, steps = {} if layer.products is None else layer.products, x.shape[-1]
    if steps not in products:
        products[steps] = _product_matrix(layer, steps)
    flat = x.flatten(1) @ products[steps]
    bias = cast(Tensor, layer.bias)
    return cast(Tensor, flat.unflatten(1, (len(bias), -1)) + bias[:, None])


def _product_matrix(layer: ShortLayer, steps: int) -> Float[Tensor, "before_steps after_out"]:
    """Spread a layer's taps over a (before, step) x (after, step) matrix.

    Itself a product, with a matrix of zeros and ones, so that its gradient is a product too: much
    faster than the gradient of indexing.
    """
    ordinary, weight = isinstance(layer, nn.Conv1d), layer.weight
    chosen = _chosen_taps(
        steps,
        Taps(layer.kernel_size[0], layer.stride[0], cast(int, layer.padding[0]), not ordinary),
        weight.device,
        weight.dtype,
    )
    spread = (weight @ chosen).unflatten(-1, (steps, -1))
    if ordinary:
        spread = spread.transpose(0, 1)
    return cast(Tensor, spread.transpose(1, 2).flatten(2).flatten(0, 1))


@dataclass(frozen=True)
class Taps:
    """What decides which tap of a convolution joins an input step with an output step."""

    kernel: int
    stride: int
    padding: int
    transposed: bool

    def between(self, steps: int) -> Int[Tensor, "steps out"]:
        """Number the tap that joins each two; numbers outside of the kernel mean that none does."""
        inputs = torch.arange(steps)[:, None]
        if self.transposed:
            out_steps = (steps - 1) * self.stride - 2 * self.padding + self.kernel
            return torch.arange(out_steps) + self.padding - inputs * self.stride
        out_steps = (steps + 2 * self.padding - self.kernel) // self.stride + 1
        return inputs - (torch.arange(out_steps) * self.stride - self.padding)


@cache
def _chosen_taps(
    steps: int, taps: Taps, device: torch.device, dtype: torch.dtype
) -> Float[Tensor, "kernel steps_out"]:
    """Say by ones which tap joins which steps; on the device once, not at each call."""
    numbers = torch.arange(taps.kernel)[:, None]
    return (taps.between(steps).flatten() == numbers).to(device, dtype)
