"""Choosing by a critic: the best of several plans, and how to leave it while exploring."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from configs.ranges import NotNegative, Share, between
from datasets.behaviours.critics import Critics
from policy.finetuning.guided.sight import OF_CONTEXT, Sight, situation
from policy.planner.planner import Planner
from policy.rollouts.episode import Decision


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


@dataclass(frozen=True)
class Guide:
    """Follows the best of several plans by a critic; with `explore`, not always, nor exactly.

    Attributes:
        planner: Plans.
        critics: Value what is planned; None follows the first plan.
        config: See `ExploreConfig`.
        explore: Whether to explore; its draws come from the episodes' own noise.
        motion: How far each number of an action usually is from its mean (normalised); None is 1.
        edit: Changes every candidate once; the changed ones are chosen from, too, but not kept.
        sight: What critics (and edits) see.
    """

    planner: Planner
    critics: Critics | None
    config: ExploreConfig
    explore: bool
    motion: Float[Tensor, " action"] | None = None
    edit: Edit | None = None
    sight: Sight = OF_CONTEXT

    def __call__(
        self,
        contexts: Float[Tensor, "env context"],
        generators: Sequence[torch.Generator],
        elapsed: int,
        features: Float[Tensor, "env feature"] | None = None,
    ) -> Decision:
        """Sample candidates, choose one, and change its executed part a little."""
        planner, count = self.planner, self.config.candidates
        noises = torch.cat([planner.noises([generator] * count) for generator in generators])
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
        if self.explore:
            choice = self._sometimes_any(choice, generators)
        followed = options[torch.arange(len(plans)), choice].clone()
        if self.explore:
            executed = planner.executed(followed)
            executed.add_(self._disturbance(executed, generators)).clamp_(-1, 1)
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
        drawn = drawn.to(executed)
        return drawn if self.motion is None else drawn * self.motion.to(executed)
