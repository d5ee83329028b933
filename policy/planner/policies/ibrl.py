"""IBRL's policy: of what an imitator and a reinforced actor would do, what critics value more.

`policy/finetuning/algorithms/ibrl.py` teaches it; by itself (stage=pretrain) both actors imitate,
and its critics know nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from configs.ranges import Width, between
from datasets.behaviours.critics import Critics
from policy.planner.actor import Actor, ActorConfig, draw_dropout, log_densities
from policy.planner.config import PolicyConfig, Sizes
from policy.planner.decision import Decision
from policy.planner.policies.gaussian import as_plans
from policy.planner.policy import Draws, Policy

Choosing = Literal["as_described", "as_released"]


@dataclass(frozen=True, kw_only=True)
class Config(PolicyConfig):
    """The policy.

    Attributes:
        actor: Network and noise of each of the two actors.
        hidden: Width of the critics' hidden layers.
        layers: How many there are.
        critics: Critics, the least of whose values counts.
    """

    kind: Literal["ibrl"]
    actor: ActorConfig
    hidden: Width
    layers: Annotated[int, between(1, 8)]
    critics: Annotated[int, between(2, 16)]


class IBRL(Policy):
    """Two actors and the critics that choose; see `Policy`."""

    config: Config

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__(config, sizes)
        seen, numbers = config.history * self.encoder.features, config.chunk * sizes.actions
        self.imitator, self.actor = (Actor(config.actor, seen, numbers) for _ in range(2))
        self.critics = Critics(seen, numbers, config.hidden, config.critics, config.layers)

    def draw(self, count: int, generator: torch.Generator | None = None) -> Draws:
        """Draw what decides which hidden numbers are left out."""
        return draw_dropout(count, generator)

    def loss_of(
        self,
        context: Float[Tensor, "batch context"],
        actions: Float[Tensor, "batch horizon action"],
        drawn: Draws,
    ) -> Float[Tensor, ""]:
        """Compute the mean negative log-likelihood of what was executed, of both actors."""
        done = self.executed(actions).flatten(1)
        actors = (self.imitator, self.actor)
        return -log_densities(actors, context, done, drawn).sum(dim=0).mean()

    def begin(self, count: int) -> "Better":
        """Give what acts in new episodes: always the better of both; it remembers nothing."""
        return Better(self)


@dataclass(frozen=True)
class Better:
    """Does what is valued more; while exploring, mostly.

    Attributes:
        policy: Whose actors and critics.
        beta: How sharply it is chosen while exploring; None: the better one always, without noise.
        choosing: Of the chances: `as_described`, softmax of beta times the values; `as_released` by
            DPPO's repository, softmax of the exponential of that.
    """

    policy: IBRL
    beta: float | None = None
    choosing: Choosing = "as_described"

    @torch.no_grad()
    def __call__(
        self,
        contexts: Float[Tensor, "env context"],
        generators: Sequence[torch.Generator],
        elapsed: int,
        features: Float[Tensor, "env feature"] | None = None,
    ) -> Decision:
        """Decide for one of both."""
        policy = self.policy
        imitated, reinforced = (a.mode(contexts) for a in (policy.imitator, policy.actor))
        if self.beta is not None:
            numbers = policy.actor.numbers
            noise = torch.stack([torch.randn(numbers, generator=own) for own in generators])
            reinforced, _ = policy.actor(contexts, noise.to(contexts))
        both = torch.stack([imitated, reinforced], dim=1)
        values = policy.critics.of_candidates(contexts, both).amin(dim=0)
        choice = values.argmax(dim=1)
        if self.beta is not None:
            chance = torch.cat([torch.rand(1, generator=own) for own in generators]).to(values)
            choice = (chance >= chances(values, self.beta, self.choosing)[:, 0]).long()
        return Decision.of(as_plans(policy, both[torch.arange(len(both)), choice]), None)


def chances(
    values: Float[Tensor, "env choice"], beta: float, choosing: Choosing
) -> Float[Tensor, "env choice"]:
    """Give how likely each choice is, by its value."""
    preferred = beta * values
    if choosing == "as_released":
        preferred = preferred.exp().clamp(max=torch.finfo(values.dtype).max)
    return preferred.softmax(dim=-1)


def make(config: Config, sizes: Sizes) -> IBRL:
    """Make a policy without weights that mean anything."""
    return IBRL(config, sizes)
