"""Choosing by a critic: the best of several plans, and how to leave it while exploring."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from configs.ranges import NotNegative, Share, between
from datasets.behaviours.critics import Critics
from policy.planner.planner import Planner
from policy.rollouts.episode import Decision

ROUNDS = 100.0  # What the number of rounds played is divided by, as an input of critics.


@dataclass(frozen=True)
class ExploreConfig:
    """How episodes are played while learning.

    Attributes:
        candidates: Plans sampled for each decision, N.
        min_std: Least std of a denoising step.
        random: Share of decisions in which any candidate is taken.
        noise: Std of what is added to each number of an executed action, in units of `motion`.
        offset: Std of what is added to all actions of a chunk alike, in the same units.
        offset_share: Share of chunks that get such an offset.
        by_motion: Measure both in the task's own motion; otherwise in half the range of actions.
    """

    candidates: Annotated[int, between(1, 256)]
    min_std: NotNegative
    random: Share
    noise: NotNegative
    offset: NotNegative
    offset_share: Share
    by_motion: bool


def situation(
    contexts: Float[Tensor, "*lead context"], elapsed: Float[Tensor, " *lead"]
) -> Float[Tensor, "*lead feature"]:
    """Put together what critics see: the context, and how long the episode has lasted."""
    return torch.cat([contexts, elapsed[..., None] / ROUNDS], dim=-1)


@torch.no_grad()
def least_value(
    critics: Critics,
    situations: Float[Tensor, "batch feature"],
    executed: Float[Tensor, "batch candidate chunk action"],
) -> Float[Tensor, "batch candidate"]:
    """Value the executed parts of plans by the most sceptical critic."""
    return critics.of_candidates(situations, executed.flatten(2)).amin(dim=0)


@dataclass(frozen=True)
class Guide:
    """Follows the best of several plans by a critic; with `explore`, not always, nor exactly.

    Attributes:
        planner: Plans.
        critics: Value what is planned; None follows the first plan.
        config: See `ExploreConfig`.
        explore: Whether to explore; its draws come from the episodes' own noise.
        motion: How far each number of an action usually is from its mean (normalised); None is 1.
    """

    planner: Planner
    critics: Critics | None
    config: ExploreConfig
    explore: bool
    motion: Float[Tensor, " action"] | None = None

    def __call__(
        self,
        contexts: Float[Tensor, "env context"],
        generators: Sequence[torch.Generator],
        elapsed: int,
    ) -> Decision:
        """Sample candidates, choose one, and change its executed part a little."""
        planner, count = self.planner, self.config.candidates
        noises = torch.cat([planner.noises([generator] * count) for generator in generators])
        min_std = self.config.min_std if self.explore else 0.0
        repeated = contexts.repeat_interleave(count, dim=0)
        plans = planner.sample(repeated, noises, min_std=min_std).plan.clamp(-1, 1)
        plans = plans.unflatten(0, (len(contexts), count))
        choice = self._choose(contexts, plans, elapsed)
        if self.explore:
            choice = self._sometimes_any(choice, generators)
        followed = plans[torch.arange(len(plans)), choice].clone()
        if self.explore:
            executed = planner.executed(followed)
            executed.add_(self._disturbance(executed, generators)).clamp_(-1, 1)
        return Decision(followed, plans, chain=None)

    def _choose(self, contexts: Tensor, plans: Tensor, elapsed: int) -> Tensor:
        if self.critics is None:
            return torch.zeros(len(contexts), dtype=torch.long, device=contexts.device)
        played = contexts.new_full((len(contexts),), float(elapsed))
        executed = self.planner.executed(plans)
        return least_value(self.critics, situation(contexts, played), executed).argmax(dim=1)

    def _sometimes_any(self, choice: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        if self.critics is None:
            return choice
        count = self.config.candidates
        chance = torch.cat([torch.rand(1, generator=g) for g in generators])
        any_ = torch.cat([torch.randint(count, (1,), generator=g) for g in generators])
        return torch.where(chance.to(choice.device) < self.config.random, any_.to(choice), choice)

    def _disturbance(self, executed: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Draw noise for every number, and for some chunks an offset that is held throughout."""
        config, (_, steps, size) = self.config, executed.shape
        noise = torch.stack([torch.randn(steps, size, generator=g) for g in generators])
        offset = torch.stack([torch.randn(1, size, generator=g) for g in generators])
        held = torch.stack([torch.rand(1, 1, generator=g) for g in generators])
        if self.critics is None:
            held = torch.ones_like(held)
        drawn = config.noise * noise + config.offset * offset * (held < config.offset_share)
        drawn = drawn.to(executed)
        return drawn if self.motion is None else drawn * self.motion.to(executed)
