"""From guided to alone: after the last episode the planner learns on what its critics prefer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from configs.progress import progress
from configs.ranges import Count, Share, Whole, between
from perception.transfer import moved
from policy.finetuning.guided.critics import ChunkCritics
from policy.finetuning.guided.decisions import Decided
from policy.planner.planner import Planner

PIECE = 1024  # Situations that plans are sampled in at once.


@dataclass(frozen=True)
class DistilConfig:
    """How much the planner learns from its critics once all episodes are played.

    Attributes:
        steps: Gradient steps.
        candidates: Fresh plans for each decision, beside those that it was made among.
        imitated: Share of the chunks that are from the target buffer.
        taught: Gradient steps after these, if critics have earned it: towards what they prefer
            among the plans of the planner as it is before them, which is what guided play does. The
            planner that proposes does not change with the one that learns.
        situations: In how many, drawn from all decisions, such a choice is made.
        rounds: How often all this is done, each time with the plans of the one taught before.
    """

    steps: Whole
    candidates: Annotated[int, between(0, 256)]
    imitated: Share = 0.5
    taught: Whole = 0
    situations: Count = 30_000
    rounds: Count = 2


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


@dataclass(frozen=True)
class Lessons:
    """What critics chose in situations, among plans of a planner as it was then."""

    contexts: Float[Tensor, "situation context"]
    plans: Float[Tensor, "situation horizon action"]

    @classmethod
    def of(
        cls,
        planner: Planner,
        critics: ChunkCritics,
        draw: Callable[[int], Decided],
        config: DistilConfig,
        candidates: int,
        generator: torch.Generator,
    ) -> "Lessons":
        """Let critics choose among so many plans, as in guided play, in situations that are drawn.

        Args:
            planner: Proposes.
            critics: Choose.
            draw: Gives so many decisions, for their situations.
            config: Says how many.
            candidates: Plans in each.
            generator: Of the plans' noise.
        """
        contexts, plans = [], []
        for start in progress(range(0, config.situations, PIECE), "choose", unit="part"):
            drawn = draw(min(PIECE, config.situations - start))
            proposed = fresh_plans(planner, drawn.contexts, candidates, generator)
            contexts.append(drawn.contexts)
            plans.append(preferred(critics, drawn, proposed))
        return cls(torch.cat(contexts), torch.cat(plans))

    def sample(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Draw contexts and plans, with replacement."""
        index = torch.randint(len(self.plans), (count,), generator=generator)
        index = moved(index, self.plans.device)
        return self.contexts[index], self.plans[index]


def preferred(
    critics: ChunkCritics,
    drawn: Decided,
    plans: Float[Tensor, "batch candidate horizon action"],
) -> Float[Tensor, "batch horizon action"]:
    """Take the plan that the critics prefer in each situation."""
    choice = critics.least(drawn, plans).argmax(dim=1)
    return plans[torch.arange(len(drawn), device=choice.device), choice]
