"""How off-policy actor-critics are built and learn: the keys that all of them have."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from configs.ranges import Count, Positive, Rate, Share, Whole, Width, between
from perception.errors import InputError
from policy.finetuning.config import FinetuneConfig
from policy.planner.actor import ActorConfig


@dataclass(frozen=True)
class ValueConfig:
    """How critics are built and learn; they see the context alone, and not the time.

    Attributes:
        hidden: Width of their hidden layers.
        layers: How many there are.
        count: Critics.
        learning_rate: Of Adam.
        discount: Of what follows a chunk.
        tau: Step of the target critics towards the critics, after each gradient step.
        beyond_limit: Whether an episode that ran out of time would have gone on; see
            `CriticConfig`.
    """

    hidden: Width
    layers: Annotated[int, between(1, 8)]
    count: Annotated[int, between(2, 16)]
    learning_rate: Rate
    discount: Share
    tau: Rate
    beyond_limit: bool


@dataclass(frozen=True)
class ActorCriticConfig:
    """What every actor-critic is told.

    Attributes:
        actor: Its network and noise.
        critic: How critics are built and learn.
        batch: Decisions in a gradient step of either.
        offline: Rounds of updates on recorded episodes before anything is played.
        rounds: Rounds of updates for each decision played.
        critic_steps: Gradient steps of the critics in each; the actor takes one.
        capacity: The newest decisions that are learned from.
        prior: Stores whose episodes are learned from, too.
    """

    kind: str
    actor: ActorConfig
    critic: ValueConfig
    batch: Annotated[int, between(2, 2**20)]
    offline: Whole
    rounds: Positive
    critic_steps: Count
    capacity: Annotated[int, between(1024, 2**24)]
    prior: tuple[Path, ...]

    @property
    def learns_first(self) -> bool:
        """Whether there is something to learn before anything is played."""
        return self.offline > 0

    def check(self, finetune: FinetuneConfig) -> None:
        """Refuse what has no meaning for an actor-critic.

        Raises:
            InputError: There is something.
        """
        if finetune.init == "scratch" or finetune.experience is not None:
            raise InputError(
                f"finetune={self.kind} teaches a policy of its own by playing: leave finetune.init"
                " and finetune.experience out; recorded data come by finetune.algorithm.prior="
            )
        if self.learns_first and not self.prior:
            raise InputError(
                f"finetune={self.kind} learns from recorded episodes first: give"
                " finetune.algorithm.prior=<stores>"
            )
