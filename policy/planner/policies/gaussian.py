"""A Gaussian policy: the chunk to execute from a context, by an MLP.

What off-policy actor-critics teach (`policy/finetuning/algorithms`: rlpd, calql), and by itself
behaviour cloning. When it is judged it acts by its mode.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from policy.planner.actor import Actor, ActorConfig, draw_dropout, log_densities
from policy.planner.config import PolicyConfig, Sizes
from policy.planner.decision import Decision
from policy.planner.policy import Draws, Policy


@dataclass(frozen=True, kw_only=True)
class Config(PolicyConfig):
    """The policy.

    Attributes:
        actor: Its network and noise.
    """

    kind: Literal["gaussian"]
    actor: ActorConfig


class Gaussian(Policy):
    """The network; see `Policy`."""

    config: Config

    def __init__(self, config: Config, sizes: Sizes) -> None:
        super().__init__(config, sizes)
        seen = config.history * self.encoder.features
        self.actor = Actor(config.actor, seen, config.chunk * sizes.actions)

    def draw(self, count: int, generator: torch.Generator | None = None) -> Draws:
        """Draw what decides which hidden numbers are left out."""
        return draw_dropout(count, generator)

    def loss_of(
        self,
        context: Float[Tensor, "batch context"],
        actions: Float[Tensor, "batch horizon action"],
        drawn: Draws,
    ) -> Float[Tensor, ""]:
        """Compute the mean negative log-likelihood of what was executed."""
        done = self.executed(actions).flatten(1)
        return -log_densities([self.actor], context, done, drawn).mean()

    def begin(self, count: int) -> "ByMode":
        """Give what acts in new episodes; it remembers nothing."""
        return ByMode(self, self.actor)


def as_plans(
    policy: Policy, done: Float[Tensor, "*lead number"]
) -> Float[Tensor, "*lead horizon action"]:
    """Make plans whose executed part this is; before and behind it, its ends are repeated."""
    chunk, history = policy.config.chunk, policy.config.history
    steps = (torch.arange(policy.config.horizon) - (history - 1)).clamp(0, chunk - 1)
    plans: Tensor = done.unflatten(-1, (chunk, -1))[..., steps.to(done.device), :]
    return plans


@dataclass(frozen=True)
class ByMode:
    """Does what an actor does without noise."""

    policy: Policy
    actor: Actor

    @torch.no_grad()
    def __call__(
        self,
        contexts: Float[Tensor, "env context"],
        generators: Sequence[torch.Generator],
        elapsed: int,
        features: Float[Tensor, "env feature"] | None = None,
    ) -> Decision:
        """Decide for the mode."""
        return Decision.of(as_plans(self.policy, self.actor.mode(contexts)), None)


@dataclass(frozen=True)
class Drawing:
    """Draws what to do, from each episode's own noise."""

    policy: Policy
    actor: Actor

    @torch.no_grad()
    def __call__(
        self,
        contexts: Float[Tensor, "env context"],
        generators: Sequence[torch.Generator],
        elapsed: int,
        features: Float[Tensor, "env feature"] | None = None,
    ) -> Decision:
        """Decide for a draw."""
        numbers = self.actor.numbers
        noise = torch.stack([torch.randn(numbers, generator=own) for own in generators])
        done, _ = self.actor(contexts, noise.to(contexts))
        return Decision.of(as_plans(self.policy, done), None)


def make(config: Config, sizes: Sizes) -> Gaussian:
    """Make a policy without weights that mean anything."""
    return Gaussian(config, sizes)
