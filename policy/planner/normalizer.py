"""Observations and actions to [-1, 1] and back, each channel by the range it has in the data.

Whether a channel changes is judged by its own size, not by a length of ours: the same data in other
units are learned alike. Bytes of pictures have the same range in all data.
"""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from perception.observation import Encoded, Observation

ROUNDING = 1e-6  # Eight times float32's: what changes by a smaller share does not change.
HALF_BYTE = 127.5


class Range(nn.Module):
    """The affine map of each channel from its smallest and largest value to -1 and 1."""

    shift: Tensor
    scale: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))

    def fit(self, values: Float[Tensor, "*lead channel"], *, alike: bool = False) -> None:
        """Learn the map of some data (DP3's mode `limits`).

        A channel that never changes is centred, and divided by its size; where that is 0, by half
        the widest channel's range; where nothing changes, by 1.

        Args:
            values: The data.
            alike: The channels are observed together, in comparable units. One that changes a
                million times less than the widest, such as the rounding of an object that rests, is
                then taken for one that never changes: stretched to [-1, 1], it would drown all else
                as soon as the object moved.
        """
        flat = values.reshape(-1, values.shape[-1])
        low, high = flat.amin(0), flat.amax(0)
        half, size = (high - low) / 2, torch.maximum(low.abs(), high.abs())
        least, unit = ROUNDING * size, torch.where(size > 0, size, half.amax())
        if alike:
            least, unit = least.clamp(min=ROUNDING * half.amax()), size.clamp(min=half.amax())
        unit = torch.where(unit > 0, unit, torch.ones_like(unit))
        self.shift.copy_((low + high) / 2)
        self.scale.copy_(torch.where(half <= least, unit, half))

    def forward(self, values: Float[Tensor, "*lead channel"]) -> Float[Tensor, "*lead channel"]:
        """Map to [-1, 1]."""
        return (values - self.shift) / self.scale

    def inverse(self, values: Float[Tensor, "*lead channel"]) -> Float[Tensor, "*lead channel"]:
        """Map back."""
        return values * self.scale + self.shift


class Normalizer(nn.Module):
    """The ranges of points, state and actions; saved with the planner."""

    def __init__(self, channels: int, robot_state: int, action_size: int) -> None:
        super().__init__()
        self.points, self.state = Range(channels), Range(robot_state)
        self.actions = Range(action_size)

    def fit(
        self,
        observations: Observation[Tensor] | Encoded[Tensor],
        actions: Float[Tensor, "step action"],
    ) -> None:
        """Learn the ranges of a dataset; of clouds only where there are any."""
        if isinstance(observations, Observation) and observations.points.numel():
            self.points.fit(observations.points, alike=True)
        self.state.fit(observations.robot_state, alike=True)
        self.actions.fit(actions)

    def forward(
        self, observations: Observation[Tensor] | Encoded[Tensor]
    ) -> Observation[Tensor] | Encoded[Tensor]:
        """Normalise observations; features of clouds are left as they are."""
        state = self.state(observations.robot_state)
        if isinstance(observations, Encoded):
            return Encoded(observations.visual, state)
        if observations.image is not None:
            return Observation(observations.points, state, scaled(observations.image))
        return Observation(self.points(observations.points), state)


def scaled(
    image: UInt8[Tensor, "*lead height width channel"],
) -> Float[Tensor, "*lead height width channel"]:
    """Map bytes of pictures to [-1, 1]."""
    return image.float() / HALF_BYTE - 1
