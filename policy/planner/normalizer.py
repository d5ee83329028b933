"""Observations and actions to [-1, 1] and back, each channel by the range it has in the data."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from perception.observation import Encoded, Observation

SMALLEST_RANGE = 1e-4  # A channel that never changes is only centred.


class Range(nn.Module):
    """The affine map of each channel from its smallest and largest value to -1 and 1."""

    shift: Tensor
    scale: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(channels))
        self.register_buffer("scale", torch.ones(channels))

    def fit(self, values: Float[Tensor, "*lead channel"]) -> None:
        """Learn the map of some data (DP3's mode `limits`)."""
        flat = values.reshape(-1, values.shape[-1])
        low, high = flat.amin(0), flat.amax(0)
        half = (high - low) / 2
        self.shift.copy_((low + high) / 2)
        self.scale.copy_(torch.where(2 * half < SMALLEST_RANGE, torch.ones_like(half), half))

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
            self.points.fit(observations.points)
        self.state.fit(observations.robot_state)
        self.actions.fit(actions)

    def forward(
        self, observations: Observation[Tensor] | Encoded[Tensor]
    ) -> Observation[Tensor] | Encoded[Tensor]:
        """Normalise observations; features of clouds are left as they are."""
        if isinstance(observations, Encoded):
            return Encoded(observations.visual, self.state(observations.robot_state))
        return Observation(self.points(observations.points), self.state(observations.robot_state))
