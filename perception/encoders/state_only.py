"""An encoder of the simulator's own features, without any cloud; as wide as DP3's."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor, nn

from perception.encoders.encoder import Encoder
from perception.errors import InputError
from perception.observation import Encoded, Observation

FEATURES = 128


@dataclass(frozen=True)
class Config:
    """The choice of this encoder.

    Attributes:
        kind: This module's name.
    """

    kind: Literal["state_only"]

    observes: ClassVar[Literal["features"]] = "features"  # Asked before there is an encoder.


class StateOnly(Encoder):
    """128 features of the simulator's own, by a small MLP.

    Args:
        robot_state: Numbers in the simulator's features.
    """

    features = FEATURES
    observes = Config.observes

    def __init__(self, robot_state: int) -> None:
        super().__init__()
        self.state = nn.Sequential(
            nn.Linear(robot_state, FEATURES), nn.ReLU(), nn.Linear(FEATURES, FEATURES)
        )

    def forward(
        self, observations: Observation[Tensor] | Encoded[Tensor]
    ) -> Float[Tensor, "*lead 128"]:
        """Encode normalised features over any leading axes."""
        encoded: Tensor = self.state(observations.robot_state)
        return encoded


def make(config: Config, channels: int, robot_state: int) -> StateOnly:
    """Make the encoder.

    Raises:
        InputError: There are points, which it would not look at.
    """
    if channels:
        raise InputError(f"encoder={config.kind} takes the simulator's features, not points")
    return StateOnly(robot_state)
