"""What every encoder offers: one feature vector for an observation.

An encoder is a module of this folder that exports `Config` and `make(config, channels,
robot_state)`, or a foreign class `module:Class` that is called with the same arguments: the numbers
per point (3, 6 with colour, 0 where there are no points) or per pixel (3 for each camera), and
those in the robot's state.
"""

from jaxtyping import Float
from torch import Tensor, nn

from perception.errors import InputError
from perception.observation import Encoded, Observation, Observes


class Encoder(nn.Module):
    """Turns normalised observations into features, over any leading axes.

    Attributes:
        features: Numbers in the feature vector.
        observes: `points`: a cloud and the robot's state; `image`: pictures and the robot's state;
            or `features`: the simulator's own features, which come as `robot_state`.
    """

    features: int
    observes: Observes = "points"

    def forward(
        self, observations: Observation[Tensor] | Encoded[Tensor]
    ) -> Float[Tensor, "*lead feature"]:
        """Encode observations; of `Encoded` ones the clouds went through `visual` before."""
        raise NotImplementedError

    @property
    def visual_part(self) -> nn.Module:
        """The network that encodes clouds alone, (cloud, point, channel) to (cloud, feature).

        Raises:
            InputError: The encoder has none, so clouds cannot be encoded once and kept.
        """
        raise InputError(f"{type(self).__name__} has no part that encodes clouds alone")

    def visual(
        self, points: Float[Tensor, "*lead point channel"]
    ) -> Float[Tensor, "*lead feature"]:
        """Encode normalised clouds alone, over any leading axes."""
        encoded: Tensor = self.visual_part(points.reshape(-1, *points.shape[-2:]))
        return encoded.reshape(*points.shape[:-2], encoded.shape[-1])
