"""DP3's encoder: a point cloud and the robot's state become one feature vector.

Networks of DP3 (Ze et al., RSS 2024): a PointNet without T-nets, LayerNorm instead of BatchNorm,
a max over the points, and a small MLP for the robot's state.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from perception.encoders.encoder import Encoder
from perception.encoders.max_pool import max_features
from perception.errors import InputError
from perception.observation import Encoded, Observation

POINT_FEATURES = 64
STATE_FEATURES = 64


@dataclass(frozen=True)
class Config:
    """The choice of this encoder.

    Attributes:
        kind: This module's name.
    """

    kind: Literal["dp3"]


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


class Dp3(Encoder):
    """64 features of the cloud and 64 of the robot's state, side by side.

    Args:
        channels: Numbers per point, 3 or 6.
        robot_state: Numbers in the robot's state. With 24 of them there are 64,832 parameters.
    """

    features = POINT_FEATURES + STATE_FEATURES
    observes = "points"

    def __init__(self, channels: int, robot_state: int) -> None:
        super().__init__()
        self.cloud = PointNet(channels)
        self.state = nn.Sequential(
            nn.Linear(robot_state, STATE_FEATURES),
            nn.ReLU(),
            nn.Linear(STATE_FEATURES, STATE_FEATURES),
        )

    @property
    def visual_part(self) -> PointNet:
        """The PointNet: 64 features of each cloud."""
        return self.cloud

    def forward(
        self, observations: Observation[Tensor] | Encoded[Tensor]
    ) -> Float[Tensor, "*lead 128"]:
        """Encode normalised observations over any leading axes."""
        if isinstance(observations, Encoded):
            visual = observations.visual
        else:
            visual = self.visual(observations.points)
        return torch.cat([visual, self.state(observations.robot_state)], dim=-1)


def make(config: Config, channels: int, robot_state: int) -> Dp3:
    """Make the encoder.

    Raises:
        InputError: There are no points.
    """
    if not channels:
        raise InputError(f"encoder={config.kind} needs points; encoder=state_only needs none")
    return Dp3(channels, robot_state)
