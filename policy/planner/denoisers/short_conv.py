"""Convolutions over very short chunks, computed as matrix products.

Over horizons as short as a U-Net's (4, then 2, then 1 steps) a convolution touches nearly every
pair of steps, so it is computed as one matrix product over (channel, step): same weights, same
result to rounding, several times faster on a CPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager
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


@cache
def _taps(steps: int, kernel: int, stride: int, padding: int) -> Int[Tensor, "steps out"]:
    """Number the tap of a convolution that joins each input step with each output step.

    Numbers outside of the kernel mean that no tap joins the two.
    """
    out_steps = (steps + 2 * padding - kernel) // stride + 1
    return torch.arange(steps)[:, None] - (torch.arange(out_steps) * stride - padding)


@cache
def _transposed_taps(
    steps: int, kernel: int, stride: int, padding: int
) -> Int[Tensor, "steps out"]:
    """Number the taps of a transposed convolution in the same way."""
    out_steps = (steps - 1) * stride - 2 * padding + kernel
    return torch.arange(out_steps) + padding - torch.arange(steps)[:, None] * stride


def _as_product(
    layer: ShortLayer,
    x: Float[Tensor, "batch before steps"],
    taps: Int[Tensor, "steps out"],
) -> Float[Tensor, "batch after out"]:
    """Apply a layer as one matrix product."""
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

    Itself a product, with a matrix of zeros and ones, so that its gradient is a product too: much
    faster than the gradient of indexing.
    """
    numbers = torch.arange(layer.kernel_size[0])
    chosen = (taps.flatten() == numbers[:, None]).to(layer.weight)
    spread = (layer.weight @ chosen).unflatten(-1, taps.shape)
    if isinstance(layer, nn.Conv1d):
        spread = spread.transpose(0, 1)
    return cast(Tensor, spread.transpose(1, 2).flatten(2).flatten(0, 1))
