"""An auxiliary loss: how hand and object move over the planned horizon, from the context alone.

The places come from recorded simulator states, without any label of task or reward. The network
that predicts them is no part of the planner, and is thrown away after pre-training.
"""

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float
from torch import Tensor, nn

from datasets.windows import Batch, Windows
from policy.planner.policy import Draws, Policy
from policy.pretraining.head import Head

WIDTH = 128
THINGS = 2  # The hand and the object.
LEAST_M = 1e-3  # What moves less than a millimetre is not blown up.


class Movement(Head):
    """Predicts the displacement of hand and object, each in units of how far it usually moves.

    Args:
        context: Numbers in an encoded history.
        scale_m: How far the two usually move along an axis: the root of the mean square.
        seed: Of its first weights.
    """

    scale_m: Tensor

    def __init__(self, context: int, scale_m: Float[Tensor, "2"], seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = nn.Sequential(
                nn.Linear(context, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 3 * THINGS)
            )
        self.register_buffer("scale_m", scale_m.cpu())

    def loss(
        self, context: Float[Tensor, "batch context"], batch: Batch, drawn: Draws
    ) -> Float[Tensor, ""]:
        """Compute the mean square error, as a share of what predicting no movement would have.

        Raises:
            ValueError: The windows were loaded without places.
        """
        if batch.moved is None:
            raise ValueError("The windows were loaded without the places of hand and object")
        predicted = self.network(context).unflatten(1, (THINGS, 3))
        return F.mse_loss(predicted.float(), batch.moved / self.scale_m[:, None])


def movement_of(planner: Policy, windows: Windows, seed: int) -> Movement:
    """Make the network for a planner and what moves in its data, on the planner's device.

    Raises:
        ValueError: The windows were loaded without places.
    """
    moved = windows.moved(windows.rows)
    scale = moved.square().mean((0, 2)).sqrt().clamp(min=LEAST_M)
    context = planner.config.history * planner.encoder.features
    return Movement(context, scale, seed).to(planner.device)
