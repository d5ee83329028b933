"""An auxiliary loss: how far places are from the nearest point of a cloud, from its features alone.

A neural distance field (Chibane et al., "Neural unsigned distance fields", NeurIPS 2020), here of
what the encoder has kept of a cloud: only features that know where everything is can tell. It needs
nothing but the cloud, no label of task or reward. The network that predicts it is no part of the
planner, and is thrown away after pre-training.
"""

import math
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float, Int
from torch import Tensor, nn

from datasets.windows import Batch, Windows
from perception.observation import Encoded, Observation
from perception.transfer import moved
from policy.planner.policy import Draws, Policy
from policy.pretraining.head import Head

PLACES = 48  # About the cloud, and as many anywhere in the box.
NEAR_M = 0.04  # Std of the former's distance from a point, along each axis.
SCALE_M = 0.05  # exp(-distance / this) is predicted: what is far away is all alike.
OCTAVES = 5  # Of the places' sines and cosines; the shortest has an eighth of the box's length.
WIDTH = 256


class DistanceField(Head):
    """Predicts, for places in and about a cloud, exp(-distance to its nearest point / 5 cm).

    Args:
        planner: Whose features it is of; its normaliser is fitted already.
        points: Of a cloud.
        seed: Of its first weights.
    """

    octaves: Tensor
    shift: Tensor
    scale: Tensor

    def __init__(self, planner: Policy, points: int, seed: int) -> None:
        super().__init__()
        self._history, self._points = planner.config.history, points
        octaves, box = math.pi / 2 * 2.0 ** torch.arange(OCTAVES), planner.normalizer.points
        known = {"octaves": octaves, "shift": box.shift[:3], "scale": box.scale[:3]}
        for name, values in known.items():  # Not part of its state: they follow from the data.
            self.register_buffer(name, values.clone(), persistent=False)
        inputs = planner.encoder.features + 3 * (1 + 2 * OCTAVES)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.first = nn.Linear(inputs, WIDTH)
            self.rest = nn.Sequential(
                nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1)
            )

    def draw(self, count: int, generator: torch.Generator) -> Draws:
        """Draw points, where to look about them, and places anywhere, uniform in [-1, 1]."""
        near = torch.randint(self._points, (count, PLACES), generator=generator)
        beside = torch.randn((count, PLACES, 3), generator=generator)
        anywhere = 2 * torch.rand((count, PLACES, 3), generator=generator) - 1
        return near, beside, anywhere

    def loss(
        self, context: Float[Tensor, "batch context"], batch: Batch, drawn: Draws
    ) -> Float[Tensor, ""]:
        """Compute the mean square error on the current cloud, as a share of the variance."""
        cloud = clouds(batch.observations)[:, -1, :, :3]
        near, beside, anywhere = (moved(part, cloud.device) for part in drawn)
        places = self._places(cloud, near, beside, anywhere)
        nearness = torch.exp(-torch.cdist(places, cloud).amin(-1) / SCALE_M)
        current = context.unflatten(1, (self._history, -1))[:, -1]
        predicted = self._nearness(current, places).float()
        return F.mse_loss(predicted, nearness) / nearness.var().clamp(min=1e-6)

    def _places(
        self,
        cloud: Float[Tensor, "batch point 3"],
        near: Int[Tensor, "batch place"],
        beside: Float[Tensor, "batch place 3"],
        anywhere: Float[Tensor, "batch place 3"],
    ) -> Float[Tensor, "batch places 3"]:
        """Give places about points of the cloud, and in the box, in metres."""
        points = cloud.gather(1, near[..., None].expand(-1, -1, 3))
        return torch.cat([points + NEAR_M * beside, anywhere * self.scale + self.shift], dim=1)

    def _nearness(
        self, current: Float[Tensor, "batch feature"], places: Float[Tensor, "batch places 3"]
    ) -> Float[Tensor, "batch places"]:
        """Predict from features and places; these also as waves, for which small steps matter."""
        where = (places - self.shift) / self.scale
        phases = (where[..., None] * self.octaves).flatten(-2)
        of_each = torch.cat([where, phases.sin(), phases.cos()], dim=-1)
        first, of_features = self.first, current.shape[1]
        once = F.linear(current, first.weight[:, :of_features], first.bias)  # For all its places.
        hidden = once[:, None] + F.linear(of_each, first.weight[:, of_features:])
        return cast(Tensor, self.rest(hidden).squeeze(-1))


def clouds(observations: Observation[Tensor] | Encoded[Tensor]) -> Tensor:
    """Give the clouds of what was seen.

    Raises:
        ValueError: There are none.
    """
    if not isinstance(observations, Observation) or not observations.points.numel():
        raise ValueError("A distance field is of clouds, and there are none")
    return observations.points


def distance_field_of(planner: Policy, windows: Windows, seed: int) -> DistanceField:
    """Make the network for a planner and the clouds of its data, on the planner's device.

    Raises:
        ValueError: The windows hold no clouds.
    """
    points = clouds(windows.observations).shape[-2]
    return DistanceField(planner, points, seed).to(planner.device)
