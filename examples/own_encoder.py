"""An encoder of your own: which points matter is learned, instead of taking a maximum.

python policy/train.py env=adroit-door encoder.kind=examples.own_encoder:Attention out=outputs/own
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from perception.encoders.encoder import Encoder
from perception.observation import Encoded, Observation


class Pool(nn.Module):
    """From (cloud, point, channel) to (cloud, width): means that learned queries weigh."""

    def __init__(self, channels: int, width: int, heads: int) -> None:
        super().__init__()
        self.each_point = nn.Sequential(nn.Linear(channels, width), nn.GELU())
        self.weights = nn.Linear(width, heads)
        self.join = nn.Linear(heads * width, width)

    def forward(self, points: Tensor) -> Tensor:
        """Encode clouds; equal clouds in another order give equal features."""
        values = self.each_point(points)
        weights = self.weights(values).softmax(dim=1).transpose(1, 2)
        return cast(Tensor, self.join((weights @ values).flatten(1)))


class Attention(Encoder):
    """The pool beside a layer for the robot's state; `Config` are the keys below `encoder`."""

    @dataclass(frozen=True)
    class Config:
        """The choice of this encoder."""

        kind: str
        width: int = 64
        heads: int = 4

    def __init__(self, config: Config, channels: int, robot_state: int) -> None:
        super().__init__()
        self.features = 2 * config.width
        self.pool = Pool(channels, config.width, config.heads)
        self.state = nn.Linear(robot_state, config.width)

    @property
    def visual_part(self) -> nn.Module:
        """What fine-tuning may run once a cloud, and keep."""
        return self.pool

    def forward(self, observations: Observation[Tensor] | Encoded[Tensor]) -> Tensor:
        """Encode normalised observations, over any leading axes."""
        state = self.state(observations.robot_state)
        if isinstance(observations, Encoded):
            return torch.cat([observations.visual, state], dim=-1)
        return torch.cat([self.visual(observations.points), state], dim=-1)
