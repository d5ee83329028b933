"""Choosing by a critic: the best of several plans, and how to leave it while exploring."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from configs.ranges import NotNegative, Share, between, require
from datasets.behaviours.critics import Critics
from policy.finetuning.guided.sight import OF_CONTEXT, Sight, situation
from policy.planner.decision import Decision
from policy.planner.planner import Planner

Candidates = Annotated[int, between(1, 256)]  # Plans to choose among.


@dataclass(frozen=True)
class ExploreConfig:
    """How episodes are played while learning.

    Attributes:
        candidates: Plans sampled for each decision, N.
        min_std: Least std of a denoising step.
        random: Share of decisions in which any candidate is taken.
        noise: Std of what is added to each number of an executed action.
        offset: Std of what is added to all actions of a chunk alike, in the same units.
        offset_share: Share of chunks that get such an offset.
        by_motion: Measure both by how far the planner's own plans differ (see `spread`); otherwise
            in half the range of actions.
        until: Share of all episodes after which the best plan is followed as it is, so that what is
            imitated in the end was done without noise.
    """

    candidates: Candidates
    min_std: NotNegative
    random: Share
    noise: NotNegative
    offset: NotNegative
    offset_share: Share
    by_motion: bool
    until: Share

    def __post_init__(self) -> None:
        several = self.candidates > 1 or not self.by_motion
        require(several, "@by_motion=true compares plans: give @candidates=2 or more")


def spread(executed: Float[Tensor, "*lead candidate chunk action"]) -> Float[Tensor, " action"]:
    """Give a unit of exploration: the std of each number of an action over plans of one situation.

    It is made smaller as actions have more numbers, by 2 / sqrt(numbers): an arm of four and a hand
    of 28 are then moved by vectors of equal length.
    """
    stds = executed.std(dim=-3)
    return stds.reshape(-1, stds.shape[-1]).mean(dim=0) * (2 / math.sqrt(stds.shape[-1]))


@torch.no_grad()
def least_value(
    critics: Critics,
    situations: Float[Tensor, "batch feature"],
    executed: Float[Tensor, "batch candidate chunk action"],
) -> Float[Tensor, "batch candidate"]:
    """Value the executed parts of plans by the most sceptical critic."""
    return critics.of_candidates(situations, executed.flatten(2)).amin(dim=0)


Edit = Callable[[Tensor, Tensor, Sequence[torch.Generator]], Tensor]
"""Changes plans in situations, for each episode by its own noise: more to choose from."""


class Way(IntEnum):
    """How an episode is played.

    The planner `ALONE` follows its first plan; `GUIDED`, the best of several by its critics;
    `EXPLORING`, not always that one, nor exactly.
    """

    ALONE = 0
    GUIDED = 1
    EXPLORING = 2


def always_exploring(slot: int) -> Way:
    """Play all episodes alike."""
    return Way.EXPLORING


@dataclass(frozen=True)
class Guide:
    """Follows the best of several plans by a critic; with `explore`, not always, nor exactly.

    Attributes:
        planner: Plans.
        critics: Value what is planned; None follows the first plan.
        config: See `ExploreConfig`.
        explore: Whether to explore; its draws come from the episodes' own noise.
        motion: What exploration is measured in; None: in what the plans of each moment give.
        edit: Changes every candidate once; the changed ones are chosen from, too, but not kept.
        sight: What critics (and edits) see.
        way: How a slot's episode is played, where `explore`.
    """

    planner: Planner
    critics: Critics | None
    config: ExploreConfig
    explore: bool
    motion: Float[Tensor, " action"] | None = None
    edit: Edit | None = None
    sight: Sight = OF_CONTEXT
    way: Callable[[int], Way] = always_exploring

    def __call__(
        self,
        contexts: Float[Tensor, "env context"],
        generators: Sequence[torch.Generator],
        elapsed: int,
        features: Float[Tensor, "env feature"] | None = None,
    ) -> Decision:
        """Sample candidates, choose one, and change its executed part a little."""
        planner, count = self.planner, self.config.candidates
        noises = torch.cat([planner.noises([generator] * count, 1.0) for generator in generators])
        noises[::count] *= planner.config.temperature  # The first is the planner's own.
        min_std = self.config.min_std if self.explore else 0.0
        repeated = contexts.repeat_interleave(count, dim=0)
        plans = planner.sample(repeated, noises, min_std=min_std).plan.clamp(-1, 1)
        plans = plans.unflatten(0, (len(contexts), count))
        options, choice = plans, torch.zeros(len(plans), dtype=torch.long, device=plans.device)
        if self.critics is not None:
            seen = self.sight(contexts, contexts[:, :0] if features is None else features)
            situations = situation(seen, contexts.new_full((len(contexts),), float(elapsed)))
            if self.edit is not None:
                options = torch.cat([plans, self.edit(situations, plans, generators)], dim=1)
            choice = least_value(self.critics, situations, planner.executed(options)).argmax(dim=1)
        rows = torch.arange(len(plans), device=choice.device)
        if not self.explore:
            return Decision(options[rows, choice].clone(), plans, chain=None)
        ways = torch.tensor([self.way(slot) for slot in range(len(plans))], device=plans.device)
        exploring = ways == Way.EXPLORING
        choice = torch.where(exploring, self._sometimes_any(choice, generators), choice)
        followed = options[rows, choice.masked_fill(ways == Way.ALONE, 0)].clone()
        executed = planner.executed(followed)
        unit = self._unit(planner.executed(plans)).to(executed)
        disturbance = self._disturbance(executed, generators) * exploring[:, None, None]
        executed.add_(unit * disturbance).clamp_(-1, 1)
        return Decision(followed, plans, chain=None)

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
        return drawn.to(executed)

    def _unit(self, options: Tensor) -> Tensor:
        if not self.config.by_motion:
            return torch.ones(options.shape[-1])
        return spread(options) if self.motion is None else self.motion
