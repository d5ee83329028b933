"""The maximum over a cloud's points of what a network makes of each: exact, and cheap to train.

A few clouds' activations stay in the processor's cache; those of a whole batch would not. Backward,
only the points that win a maximum have a gradient: about a sixth of them.

A GPU has no such cache, and waits at every launch: there a whole batch goes through in one pass, or
in few where its activations would take gigabytes. Backward, each feature's winner is gathered anew,
also where one point wins several: finding the distinct ones would halt the program until the GPU
has counted them.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from perception.encoders import max_pool_kernel as kernel

CACHED_CLOUDS = 4  # Clouds per pass over all points: their activations stay in cache.
REPLAYED_CLOUDS = 32  # Clouds per pass over the winners, of which there are fewer.
GPU_POINTS = 1 << 18  # Points per pass on a GPU: about a gigabyte of activations.


def max_features(
    points: Float[Tensor, "cloud point channel"], network: nn.Module
) -> Float[Tensor, "cloud feature"]:
    """Apply a network to each point and take the maximum of each feature over a cloud's points.

    The points themselves are data and get no gradient.
    """
    if not torch.is_grad_enabled():
        parts = points.split(_clouds_per_pass(points, CACHED_CLOUDS))
        return torch.cat([point_features(part, network).amax(dim=1) for part in parts])
    apply = cast(Callable[..., Tensor], _MaxFeatures.apply)
    return apply(points, network, *network.parameters())


class _MaxFeatures(torch.autograd.Function):
    """Forward over all points without a graph, backward over winners; a few clouds at a time."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 (Torch's own type is private)
        points: Tensor,
        network: nn.Module,
        *parameters: Tensor,
    ) -> Tensor:
        ctx.network, ctx.autocast = network, torch.is_autocast_enabled(points.device.type)
        # Allocated first: small results between large temporary ones would fragment the memory.
        values = points.new_empty(len(points), len(parameters[-1]))
        winners = torch.empty_like(values, dtype=torch.int64)
        clouds = _clouds_per_pass(points, CACHED_CLOUDS)
        parts = (t.split(clouds) for t in (points, values, winners))
        for some_points, some_values, some_winners in zip(*parts, strict=True):
            maxima, indices = maximum(point_features(some_points, network))
            some_values.copy_(maxima)
            some_winners.copy_(indices)
        ctx.save_for_backward(points, winners, *parameters)
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        points, winners, *parameters = ctx.saved_tensors
        clouds = _clouds_per_pass(winners, REPLAYED_CLOUDS)
        parts = (t.split(clouds) for t in (points, winners, gradients[0]))
        replay = _replay_distinct if points.device.type == "cpu" else _replay_each
        totals: list[Tensor] | None = None
        for some_points, some_winners, gradient in zip(*parts, strict=True):
            device = some_points.device.type
            with torch.enable_grad(), torch.autocast(device, torch.bfloat16, enabled=ctx.autocast):
                features, reached = replay(ctx.network, some_points, some_winners, gradient)
            shares = torch.autograd.grad(features, parameters, reached)
            before = totals or [torch.zeros_like(share) for share in shares]
            totals = [total.add_(share) for total, share in zip(before, shares, strict=True)]
        return None, None, *(totals or ())


def _clouds_per_pass(rows: Shaped[Tensor, "cloud row *_"], cached: int) -> int:
    """Say how many clouds go through the network together, of so many rows each."""
    if rows.device.type == "cpu":
        return cached
    return max(GPU_POINTS // max(rows.shape[1], 1), 1)


def _replay_distinct(
    network: nn.Module,
    points: Float[Tensor, "cloud point channel"],
    winners: Int[Tensor, "cloud feature"],
    gradient: Float[Tensor, "cloud feature"],
) -> tuple[Float[Tensor, "row feature"], Float[Tensor, "row feature"]]:
    """Give the features of each winning point, and where the gradient reaches them."""
    rows, position = _distinct(winners, points.shape[1])
    features = network(points.flatten(0, 1)[rows])
    with torch.no_grad():
        return features, torch.zeros_like(features).scatter_(0, position, gradient.to(features))


def _replay_each(
    network: nn.Module,
    points: Float[Tensor, "cloud point channel"],
    winners: Int[Tensor, "cloud feature"],
    gradient: Float[Tensor, "cloud feature"],
) -> tuple[Float[Tensor, "cloud feature"], Float[Tensor, "cloud feature"]]:
    """Give each maximum anew, from its winner alone, and its gradient; nothing is waited for."""
    where = winners[:, :, None].expand(-1, -1, points.shape[2])
    features = network(points.gather(1, where))  # Of every feature's winner, all features.
    own = features.diagonal(dim1=1, dim2=2)
    return own, gradient.to(own)


def point_features(
    points: Float[Tensor, "cloud point channel"], network: nn.Module
) -> Float[Tensor, "cloud point feature"]:
    """Apply a point network without a graph; on a CPU each LayerNorm and ReLU in one pass."""
    if points.device.type != "cpu" or points.dtype != torch.float32:
        return cast(Tensor, network(points))
    x = points.flatten(0, 1)
    for layer in network.children():
        if isinstance(layer, nn.Linear):
            x = layer(x)
        elif isinstance(layer, nn.LayerNorm):  # And the ReLU that follows.
            weights = (layer.weight.detach().numpy(), layer.bias.detach().numpy(), layer.eps)
            if x.dtype == torch.bfloat16:
                kernel.normalise_rectify_bfloat16(x.view(torch.uint16).numpy(), *weights)
            else:
                kernel.normalise_rectify(x.numpy(), *weights)
    return cast(Tensor, x.unflatten(0, points.shape[:2]))


def _distinct(
    winners: Int[Tensor, "cloud feature"], points: int
) -> tuple[Int[Tensor, " row"], Int[Tensor, "cloud feature"]]:
    """Give the distinct winners as rows of the flattened clouds, and where each is among them."""
    first = torch.arange(0, len(winners) * points, points, device=winners.device)
    rows, position = torch.unique(winners + first.unsqueeze(1), return_inverse=True)
    return rows, position


def maximum(
    features: Float[Tensor, "cloud point feature"],
) -> tuple[Float[Tensor, "cloud feature"], Int[Tensor, "cloud feature"]]:
    """Give the maximum over the points and where it is; ties go to the first."""
    if features.device.type != "cpu" or features.dtype == torch.float64:
        values, winners = features.max(dim=1)
        return values, winners
    # Torch searches a middle axis on the CPU one number at a time; the compiled loop by vectors.
    if features.dtype == torch.bfloat16:
        maxima, indices = kernel.first_maximum_bfloat16(features.view(torch.uint16).numpy())
    else:
        maxima, indices = kernel.first_maximum(features.numpy())
    return torch.from_numpy(maxima).to(features.dtype), torch.from_numpy(indices)
