"""What the robot perceives."""

from __future__ import annotations  # Types stay text: NumPy users need no Torch.

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    import torch

ArrayT = TypeVar("ArrayT", np.ndarray, "torch.Tensor")


@dataclass(frozen=True)
class Observation(Generic[ArrayT]):
    """The scene as points and the robot as its own state, over any leading axes.

    Attributes:
        points: World-frame positions in metres; with colour, red, green and blue in [0, 1] follow.
            Empty (0 points of 0 numbers) where the simulator's own features are the state.
        robot_state: The robot's own sensors (DP3 calls them `agent_pos`).
    """

    points: (
        Float[ArrayT, "*lead point 3"] | Float[ArrayT, "*lead point 6"] | Float[ArrayT, "*lead 0 0"]
    )
    robot_state: Float[ArrayT, "*lead reading"]


@dataclass(frozen=True)
class Encoded(Generic[ArrayT]):
    """An observation whose cloud is already encoded.

    Attributes:
        visual: Features of the points, from the encoder's `visual`.
        robot_state: The robot's own sensors.
    """

    visual: Float[ArrayT, "*lead feature"]
    robot_state: Float[ArrayT, "*lead reading"]
