"""From guided to alone: after the last episode the planner learns on what its critics prefer."""

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from configs.ranges import Share, Whole, between
from perception.transfer import moved
from policy.planner.planner import Planner


@dataclass(frozen=True)
class DistilConfig:
    """How much the planner learns from its critics once all episodes are played.

    Attributes:
        steps: Gradient steps.
        candidates: Fresh plans for each decision, beside those that it was made among.
        imitated: Share of the chunks that are from the target buffer.
    """

    steps: Whole
    candidates: Annotated[int, between(0, 256)]
    imitated: Share = 0.5


@torch.no_grad()
def fresh_plans(
    planner: Planner,
    contexts: Float[Tensor, "batch context"],
    count: int,
    generator: torch.Generator,
) -> Float[Tensor, "batch candidate horizon action"]:
    """Sample plans of the planner as it is now, several for each context."""
    shape = (len(contexts) * count, len(planner.grid) + 1, planner.config.horizon)
    noises = torch.randn(*shape, planner.sizes.actions, generator=generator)
    repeated = contexts.repeat_interleave(count, dim=0)
    plans = planner.sample(repeated, moved(noises, contexts.device)).plan.clamp(-1, 1)
    return plans.reshape(len(contexts), count, *plans.shape[1:])
