"""What the robot perceives."""

from __future__ import annotations  # Types stay text: NumPy users need no Torch.

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import numpy as np
from jaxtyping import Float, UInt8

if TYPE_CHECKING:
    import torch

ArrayT = TypeVar("ArrayT", np.ndarray, "torch.Tensor")
OtherT = TypeVar("OtherT", np.ndarray, "torch.Tensor")
# Clouds, or pictures, with the robot's state; or the simulator's state alone.
Observes = Literal["points", "image", "features"]


@dataclass(frozen=True)
class Observation(Generic[ArrayT]):
    """The scene as points and the robot as its own state, over any leading axes.

    Attributes:
        points: World-frame positions in metres; with colour, red, green and blue in [0, 1] follow.
            Empty (0 points of 0 numbers) where pictures are seen instead, or where the simulator's
            own features are the state.
        robot_state: The robot's own sensors (DP3 calls them `agent_pos`).
        image: Pictures, where somebody sees those: red, green and blue of each camera behind each
            other, as bytes, or normalised to [-1, 1]; None otherwise.
    """

    points: (
        Float[ArrayT, "*lead point 3"] | Float[ArrayT, "*lead point 6"] | Float[ArrayT, "*lead 0 0"]
    )
    robot_state: Float[ArrayT, "*lead reading"]
    image: (
        UInt8[ArrayT, "*lead height width channel"]
        | Float[ArrayT, "*lead height width channel"]
        | None
    ) = None

    @property
    def channels(self) -> int:
        """Numbers of a point, or of a pixel where pictures are seen."""
        return int((self.points if self.image is None else self.image).shape[-1])

    def each(self, change: Callable[[ArrayT], OtherT]) -> Observation[OtherT]:
        """Do the same to every part."""
        image = None if self.image is None else change(self.image)
        return Observation(change(self.points), change(self.robot_state), image)


@dataclass(frozen=True)
class Encoded(Generic[ArrayT]):
    """An observation whose cloud is already encoded.

    Attributes:
        visual: Features of the points, from the encoder's `visual`.
        robot_state: The robot's own sensors.
    """

    visual: Float[ArrayT, "*lead feature"]
    robot_state: Float[ArrayT, "*lead reading"]
