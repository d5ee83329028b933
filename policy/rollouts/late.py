"""Plans that come late: the world goes on while the next one is made.

A plan is made of what was seen `delay` steps before it arrives. Until then the rest of the plan
before it is executed (asynchronous execution); then it is followed from the action that is due.
Where both have an action for a step, the two may be blended (as ACT's temporal ensembling does).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from configs.ranges import Whole, between, require
from policy.planner.config import PolicyConfig
from policy.planner.decision import Decide, Decision
from policy.planner.policy import Policy


@dataclass(frozen=True)
class Late:
    """How late plans come, and how they are joined.

    Attributes:
        delay: Steps between a look and the first action that its plan can say.
        aligned: A late plan is followed from the action that is due; false: from its first one.
        blend: Weight of the older plan where both have an action for a step.
    """

    delay: Whole = 0
    aligned: bool = True
    blend: Annotated[float, between(0, 1)] = 0.0

    @property
    def changes(self) -> bool:
        """Whether anything is executed otherwise than as planned last."""
        return self.delay > 0 or self.blend > 0

    def check(self, plan: PolicyConfig) -> None:
        """Refuse a delay that lasts as long as a chunk.

        Raises:
            InputError: It does.
        """
        require(
            self.delay < plan.chunk,
            f"delay={self.delay} must be under the {plan.chunk} actions that are executed of a"
            " plan: the next plan would come after the next look",
        )


ON_TIME = Late()


class Joined:
    """The actions of several robots, joined from plans that overlap.

    Args:
        plan: How long plans are, and how much of them is executed.
        late: How late they come.

    Raises:
        InputError: They come later than the next look.
    """

    def __init__(self, plan: PolicyConfig, late: Late) -> None:
        late.check(plan)
        self._late, self._first, self._chunk = late, plan.history - 1, plan.chunk
        self._known: Tensor | None = None  # What was said before of the steps from now on.

    def take(self, plans: Float[Tensor, "env horizon action"]) -> Float[Tensor, "env step action"]:
        """Take new plans, and say what to do from the moment of their look.

        Where a plan ends, its last action is repeated.

        Returns:
            The actions of the next chunk and `delay` further ones, which are executed while the
            plans after these are made.
        """
        size = self._chunk + self._late.delay
        new = plans[:, self._first :]
        if self._known is None:
            actions = _from(new, 0, max(size, new.shape[1]))
        else:
            actions = self._join(new, self._known)
        self._known = actions[:, self._chunk :]
        return actions[:, :size]

    def _join(
        self, new: Float[Tensor, "env new action"], known: Float[Tensor, "env old action"]
    ) -> Float[Tensor, "env step action"]:
        late = self._late
        shift = 0 if late.aligned else late.delay
        size = max(self._chunk + late.delay, new.shape[1] + shift)
        actions = _from(new, -shift, size)
        both = min(known.shape[1], size)
        weight = torch.full((both, 1), late.blend, device=new.device, dtype=new.dtype)
        weight[: late.delay] = 1  # The new plan is not there yet.
        actions[:, :both] = torch.lerp(actions[:, :both], known[:, :both], weight)
        return actions


class LatePlans:
    """Lets an episode's plans come late in simulation, whoever decides them.

    Args:
        planner: Whose plans they are.
        late: How late they come.
        decide: Decides; without it the planner does, by itself.

    Raises:
        InputError: They come later than the next look.
    """

    def __init__(self, planner: Policy, late: Late, decide: Decide | None = None) -> None:
        late.check(planner.config)
        self._planner, self._late, self._given = planner, late, decide

    def __call__(
        self,
        contexts: Float[Tensor, "env context"],
        generators: Sequence[torch.Generator],
        elapsed: int,
        features: Float[Tensor, "env feature"] | None = None,
    ) -> Decision:
        """Decide, and put what is executed in place of what was decided; see `Decide`."""
        if elapsed == 0:
            self._decide = self._given or self._planner.begin(len(contexts))
            self._joined = Joined(self._planner.config, self._late)
        plans = self._decide(contexts, generators, elapsed, features).plans.clone()
        chunk = self._planner.config.chunk
        self._planner.executed(plans)[:] = self._joined.take(plans)[:, :chunk]
        return Decision.of(plans, None)


def _from(
    plans: Float[Tensor, "env horizon action"], first: int, size: int
) -> Float[Tensor, "env size action"]:
    """Cut out steps of plans; beyond its ends, its first and last action are repeated."""
    steps = torch.arange(first, first + size).clamp(0, plans.shape[1] - 1)
    return plans[:, steps]
