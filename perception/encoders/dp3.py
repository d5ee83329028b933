"""The learned eye: a point cloud and the robot's state become one feature vector.

Networks of DP3 (Ze et al., RSS 2024): a PointNet without T-nets, LayerNorm instead of BatchNorm,
a max over the points, and a small MLP for the robot's state.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from perception import kernels
from perception.observation import Encoded, Observation

POINT_FEATURES = 64
STATE_FEATURES = 64
CACHED_CLOUDS = 4  # Clouds per pass over all points: their activations stay in cache.
REPLAYED_CLOUDS = 32  # Clouds per pass over the winners, of which there are fewer.


class PointNet(nn.Module):
    """Each point through one MLP, the maximum over the points, then a projection.

    Args:
        channels: 3 for positions, 6 with colour (a wider last layer without activation, as in DP3).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (channels, 64, 128, 256)
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.LayerNorm(after), nn.ReLU(inplace=True)]
        if channels > 3:
            layers.append(nn.Linear(256, 512))
        self.points = nn.Sequential(*layers)
        pooled = 256 if channels == 3 else 512
        self.projection = nn.Sequential(
            nn.Linear(pooled, POINT_FEATURES), nn.LayerNorm(POINT_FEATURES)
        )

    def forward(self, points: Float[Tensor, "cloud point channel"]) -> Float[Tensor, "cloud 64"]:
        """Encode clouds; the gradient passes through the points that win the maximum."""
        return cast(Tensor, self.projection(max_features(points, self.points)))


def max_features(
    points: Float[Tensor, "cloud point channel"], network: nn.Module
) -> Float[Tensor, "cloud feature"]:
    """Apply a network to each point and take the maximum of each feature over a cloud's points.

    Exact, and cheap to differentiate: only winning points have a gradient, about a sixth of them,
    so only they are looked at again. The points themselves are data and get no gradient.
    """
    if not torch.is_grad_enabled():
        parts = points.split(CACHED_CLOUDS)
        return torch.cat([point_features(part, network).amax(dim=1) for part in parts])
    apply = cast(Callable[..., Tensor], _MaxFeatures.apply)
    return apply(points, network, *network.parameters())


class _MaxFeatures(torch.autograd.Function):
    """Forward over all points without a graph; backward over the winners, a few clouds at a time.

    A few clouds' activations stay in the processor's cache; all of them at once would not.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 (Torch's own type is private)
        points: Tensor,
        network: nn.Module,
        *parameters: Tensor,
    ) -> Tensor:
        ctx.network, ctx.autocast = network, torch.is_autocast_enabled(points.device.type)
        # Made beforehand: small results kept between large temporary ones would splinter memory.
        values = points.new_empty(len(points), len(parameters[-1]))
        winners = torch.empty_like(values, dtype=torch.int64)
        parts = (t.split(CACHED_CLOUDS) for t in (points, values, winners))
        for some_points, some_values, some_winners in zip(*parts, strict=True):
            found = maximum(point_features(some_points, network))
            some_values.copy_(found[0])
            some_winners.copy_(found[1])
        ctx.save_for_backward(points, winners, *parameters)
        return values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        points, winners, *parameters = ctx.saved_tensors
        parts = (t.split(REPLAYED_CLOUDS) for t in (points, winners, gradients[0]))
        totals: list[Tensor] | None = None
        for some_points, some_winners, gradient in zip(*parts, strict=True):
            rows, position = _distinct(some_winners, some_points.shape[1])
            device = some_points.device.type
            with torch.enable_grad(), torch.autocast(device, torch.bfloat16, enabled=ctx.autocast):
                features = ctx.network(some_points.flatten(0, 1)[rows])
            reached = torch.zeros_like(features).scatter_(0, position, gradient.to(features))
            found = torch.autograd.grad(features, parameters, reached)
            before = totals or [torch.zeros_like(part) for part in found]
            totals = [total.add_(part) for total, part in zip(before, found, strict=True)]
        return None, None, *(totals or ())


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
                kernels.normalise_rectify_bfloat16(x.view(torch.uint16).numpy(), *weights)
            else:
                kernels.normalise_rectify(x.numpy(), *weights)
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
        found = kernels.first_maximum_bfloat16(features.view(torch.uint16).numpy())
    else:
        found = kernels.first_maximum(features.numpy())
    maxima, winners = map(torch.from_numpy, found)
    return maxima.to(features.dtype), winners


class Encoder(nn.Module):
    """DP3's encoder: 64 features of the cloud and 64 of the robot's state, side by side.

    Args:
        channels: Numbers per point, 3 or 6; with 0 there are no clouds, and all 128 features are
            of the state.
        robot_state: Numbers in the robot's state. With 24 of them there are 64,832 parameters.
    """

    features = POINT_FEATURES + STATE_FEATURES

    def __init__(self, channels: int, robot_state: int) -> None:
        super().__init__()
        self._sees = channels > 0
        self.cloud: nn.Module = PointNet(channels) if self._sees else nn.Identity()
        width = STATE_FEATURES if self._sees else self.features
        self.state = nn.Sequential(
            nn.Linear(robot_state, width), nn.ReLU(), nn.Linear(width, width)
        )

    def forward(
        self, observations: Observation[Tensor] | Encoded[Tensor]
    ) -> Float[Tensor, "*lead 128"]:
        """Encode normalised observations over any leading axes."""
        if isinstance(observations, Encoded):
            visual = observations.visual
        else:
            visual = self.visual(observations.points)
        return torch.cat([visual, self.state(observations.robot_state)], dim=-1)

    def visual(
        self, points: Float[Tensor, "*lead point channel"]
    ) -> Float[Tensor, "*lead feature"]:
        """Encode normalised clouds alone: 64 features, none where there are no clouds."""
        lead = points.shape[:-2]
        if not self._sees:
            return points.new_zeros(*lead, 0)
        encoded: Tensor = self.cloud(points.reshape(-1, *points.shape[-2:]))
        return encoded.reshape(*lead, POINT_FEATURES)
