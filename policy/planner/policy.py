"""What every policy offers, the diffusion planner and its rivals: a history in, a chunk out.

A policy is a module of `policy/planner/policies/` that exports `Config` (see `PolicyConfig`) and
`make(config, sizes)`, or a foreign class `module:Class` that is called with the same arguments.
"""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from configs.kinds import make_kind
from datasets.windows import Batch, Windows
from perception.encoders.encoder import Encoder
from perception.errors import InputError
from perception.observation import Encoded, Observation, Observes
from policy.planner.config import ENCODERS, PolicyConfig, Sizes
from policy.planner.decision import Decide
from policy.planner.normalizer import Normalizer

Draws = tuple[Tensor, ...]
"""The randomness of a loss, each part with a leading axis batch: processes share a batch by it."""


class NotFiniteError(InputError):
    """What a policy computes is not finite."""


class Policy(nn.Module, ABC):
    """Turns recent observations into plans, of which a chunk is executed.

    Args:
        config: See `PolicyConfig`.
        sizes: The data's dimensions.

    Attributes:
        task: The one it acts in, said by whoever has it act: its prompts are of that task.
    """

    task = ""

    def __init__(self, config: PolicyConfig, sizes: Sizes) -> None:
        super().__init__()
        config.check()
        self.config, self.sizes = config, sizes
        self.normalizer = Normalizer(sizes.channels, sizes.robot_state, sizes.actions)
        per_point = sizes.channels
        self.encoder: Encoder = make_kind(ENCODERS, config.encoder, per_point, sizes.robot_state)

    @property
    def observes(self) -> Observes:
        """What the encoder takes; see `Encoder.observes`."""
        return self.encoder.observes

    @property
    def device(self) -> torch.device:
        """Where the policy lives."""
        return self.normalizer.actions.shift.device

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator | None = None) -> Draws:
        """Draw what the loss of so many windows needs, on the CPU."""

    @abstractmethod
    def loss_of(
        self,
        context: Float[Tensor, "batch context"],
        actions: Float[Tensor, "batch horizon action"],
        drawn: Draws,
    ) -> Float[Tensor, ""]:
        """Compute the loss of encoded observations and normalised actions."""

    @abstractmethod
    def begin(self, count: int) -> Decide:
        """Give what acts in so many new episodes; a memory lives in it, one for each of them."""

    def loss(self, batch: Batch, drawn: Draws) -> Float[Tensor, ""]:
        """Compute the training loss of windows."""
        context = self.encode(batch.observations)
        return self.loss_of(context, self.normalizer.actions(batch.actions), drawn)

    def fit(self, windows: Windows) -> None:
        """Learn the ranges of the data."""
        self.normalizer.fit(windows.observations, windows.actions)

    def remember(self, windows: Windows) -> None:
        """Keep what it will need of its data while it acts; it has learned all else."""

    def encode(
        self, observations: Observation[Tensor] | Encoded[Tensor]
    ) -> Float[Tensor, "batch context"]:
        """Encode histories; leading axes batch, history."""
        return cast(Tensor, self.encoder(self.normalizer(observations)).flatten(1))

    def visual(
        self, points: Float[Tensor, "*lead point channel"]
    ) -> Float[Tensor, "*lead feature"]:
        """Encode clouds alone: the features that `policy/encode.py` keeps."""
        return self.encoder.visual(self.normalizer.points(points))

    def executed(
        self, plan: Float[Tensor, "*lead horizon action"]
    ) -> Float[Tensor, "*lead chunk action"]:
        """Cut out the actions to execute: the current one and those that follow it."""
        first = self.config.history - 1
        return plan[..., first : first + self.config.chunk, :]

    def to_actions(
        self, plan: Float[Tensor, "*lead horizon action"]
    ) -> Float[Tensor, "*lead chunk action"]:
        """Turn the executed part of a plan into actions of the task; see `scaled`."""
        return self.scaled(self.executed(plan))

    def scaled(self, steps: Float[Tensor, "*lead action"]) -> Float[Tensor, "*lead action"]:
        """Turn steps of plans into actions of the task, in [-1, 1].

        Raises:
            NotFiniteError: One is not finite.
        """
        actions = self.normalizer.actions.inverse(steps.clamp(-1, 1))
        if not bool(actions.isfinite().all()):
            raise NotFiniteError(
                "The planner's actions are not finite (NaN): its weights have diverged, or what it"
                " observes is not finite; act with an earlier checkpoint"
            )
        return actions.clamp(-1, 1)

    def facts(self) -> dict[str, Any]:
        """Say how it decides, for whoever reads a page."""
        return {"policy": self.config.kind}

    def fixed_weights(self) -> AbstractContextManager[None]:
        """Promise that no weight changes inside the `with`: what follows from them may be kept."""
        return nullcontext()
