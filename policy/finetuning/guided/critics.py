"""Critics over executed chunks, and how they learn from every decision ever made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from configs.ranges import Count, Rate, Share, Whole, Width, between
from datasets.behaviours.critics import Critics, follow
from envs.seeding import derive_seed
from policy.finetuning.diverging import finite
from policy.finetuning.guided.calibration import Calibration
from policy.finetuning.guided.decisions import Decided, Source
from policy.finetuning.guided.guide import least_value
from policy.finetuning.guided.saved_critics import CriticsForm, SavedCritics
from policy.finetuning.guided.sight import Sees, Sight, situation
from policy.planner.policy import Policy

ValueOf = Callable[[Decided], Float[Tensor, " batch"]]
Penalty = Callable[[Decided, Decided, Float[Tensor, "critic batch"]], Float[Tensor, ""]]
"""Of decisions, what followed them, and how what was done is valued now."""

TINY = 1e-6  # The least reward that counts as one.
NEWEST = 10  # Episodes over which what critics expect is compared with what comes.


@dataclass(frozen=True)
class CriticConfig:
    """How critics learn.

    Attributes:
        hidden: Width of their hidden layers.
        count: How many there are; the least of their values counts.
        steps: Gradient steps for each episode played.
        batch: Decisions in each.
        learning_rate: Of Adam.
        discount: Of what follows a chunk.
        tau: Step of the target critics towards the critics, after each gradient step.
        beyond_limit: Whether an episode that ran out of time would have gone on: its last decision
            is then not learned from, since what followed is not known, and values do not fall
            towards the end. Otherwise, or where all episodes are of one decision, nothing is
            expected behind it.
        backup: What follows a decision is valued by: the `best` of the plans that could have been
            chosen, or their `mean`. The best of several values is the one that errs upwards most,
            and critics come to believe it.
        sees: What describes a situation: the planner's context, the simulator's state (which no
            robot has, so that such critics guide no evaluation but along the run), or both.
    """

    hidden: Width
    count: Annotated[int, between(1, 16)]
    steps: Whole
    batch: Count
    learning_rate: Rate
    discount: Share
    tau: Rate
    beyond_limit: bool
    sees: Sees = "context"
    backup: Literal["best", "mean"] = "best"


class ChunkCritics:
    """An ensemble that values executed chunks, with its target copy and its optimiser.

    Args:
        config: See `CriticConfig`.
        planner: Whose contexts and chunks they see.
        seed: Of their first weights.
        features: The simulator's, where critics see them.
        layers: Hidden layers of each.
        timed: Whether they see how long the episode has lasted.
    """

    def __init__(
        self,
        config: CriticConfig,
        planner: Policy,
        seed: int,
        features: int = 0,
        *,
        layers: int = 2,
        timed: bool = True,
    ) -> None:
        self._config, self._planner, self._timed = config, planner, timed
        contexts = planner.config.history * planner.encoder.features
        seen = {"context": contexts, "state": features, "both": contexts + features}[config.sees]
        self.situation_size = seen + timed
        self._sizes = self.situation_size, planner.config.chunk * planner.sizes.actions
        self.sight = Sight(config.sees)  # Measured anew before each learning.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed("critics", seed, 0))
            self.online, self.targets = (
                Critics(*self._sizes, config.hidden, config.count, layers).to(planner.device)
                for _ in range(2)
            )
        self.targets.load_state_dict(self.online.state_dict())
        self._optimizer = torch.optim.Adam(
            self.online.parameters(), config.learning_rate, fused=True
        )
        self.scale = 0.0  # Of rewards; measured before the first step.
        self._goes_on = config.beyond_limit  # Likewise.
        self.calibration = Calibration(config.discount, NEWEST)

    @property
    def ready(self) -> Critics | None:
        """The critics, once they have learned."""
        return self.online if self.scale else None

    def saved(self, candidates: int) -> SavedCritics | None:
        """Give what is kept beside a planner, once they have learned to choose among so many."""
        config, sizes = self._config, self._sizes
        if not self.scale:
            return None
        form = CriticsForm(*sizes, config.hidden, config.count, config.sees, self.scale, candidates)
        return SavedCritics(self.online, form)

    def follow_rewards(self, rewards: Float[Tensor, " decision"]) -> None:
        """Scale rewards by the largest one so far; values that were learned stay true."""
        scale = 1 / max(float(rewards.abs().max()), TINY)
        if self.scale:
            scale = min(scale, self.scale)
            for critics in (self.online, self.targets):
                critics.rescale(scale / self.scale)
        self.scale = scale

    def foresee(self, played: Decided) -> Float[Tensor, " decision"]:
        """Value what was executed in episodes not learned from yet, in the unit of rewards.

        How true it is is noted. Nothing is expected before the critics have learned anything.
        """
        if not self.scale:
            return torch.zeros(0)
        seen = played.to(self._planner.device)
        values = self.least(seen, seen.candidates[:, -1:])[:, 0].cpu() / self.scale
        self.calibration.note(played.to(torch.device("cpu")), values)
        return values

    def learn(
        self, decisions: Source, steps: int, generator: torch.Generator, value_of: ValueOf
    ) -> list[Tensor]:
        """Take steps towards the reward plus the discounted value of what follows; give losses.

        Args:
            decisions: What is learned from.
            steps: Gradient steps.
            generator: Draws the decisions.
            value_of: Values the following decisions by the target critics.

        Raises:
            DivergedError: A loss is not finite.
        """
        self.measure(decisions)
        return [self.step(decisions, generator, value_of) for _ in range(steps)]

    def measure(self, decisions: Source) -> None:
        """Choose units for what is learned from, before steps are taken."""
        parts, device = decisions.parts(), self._planner.device
        self.follow_rewards(torch.cat([part.rewards.to(device) for part in parts]))
        seen = torch.cat([part.features.to(device) for part in parts])
        self.sight = self.sight.measured(seen)
        several = not all(bool(part.last.all()) for part in parts)
        self._goes_on = self._config.beyond_limit and several

    def step(
        self,
        decisions: Source,
        generator: torch.Generator,
        value_of: ValueOf,
        penalty: Penalty | None = None,
    ) -> Tensor:
        """Take one step and give its loss; see `learn`. A penalty is added to the loss.

        Raises:
            DivergedError: The loss is not finite.
        """
        drawn = decisions.sample(self._config.batch, generator)
        now, following = (part.to(self._planner.device) for part in drawn)
        wanted = now.rewards * self.scale
        wanted = wanted + self._config.discount * value_of(following) * ~now.last
        known = ~now.last if self._goes_on else torch.ones_like(now.last)
        executed = self._planner.executed(now.candidates[:, -1]).flatten(1)
        values = self.online(self.situations(now), executed)
        errors = (values - wanted).square() * known
        loss = errors.sum() / known.sum().clamp(min=1)
        if penalty is not None:
            loss = loss + penalty(now, following, values)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        follow(self.targets, self.online, self._config.tau)
        return finite(loss, "the critics' loss")

    def situations(self, decided: Decided) -> Float[Tensor, "decision feature"]:
        """Give what critics see of the situations of decisions."""
        seen = self.sight(decided.contexts, decided.features)
        return situation(seen, decided.elapsed) if self._timed else seen

    def least(
        self,
        drawn: Decided,
        plans: Float[Tensor, "batch candidate horizon action"],
        *,
        targets: bool = False,
    ) -> Float[Tensor, "batch candidate"]:
        """Value plans in the situations of decisions by the most sceptical critic."""
        critics = self.targets if targets else self.online
        executed = self._planner.executed(plans)
        return least_value(critics, self.situations(drawn), executed)

    def each(
        self,
        drawn: Decided,
        plans: Float[Tensor, "batch candidate horizon action"],
        *,
        targets: bool = False,
    ) -> Float[Tensor, "critic batch candidate"]:
        """Value plans in the situations of decisions by every critic, differentiably."""
        critics = self.targets if targets else self.online
        executed = self._planner.executed(plans).flatten(2)
        return critics.of_candidates(self.situations(drawn), executed)

    def state(self) -> dict[str, Any]:
        """Plain values and tensors, for a checkpoint."""
        return {
            "critics": self.online.state_dict(),
            "targets": self.targets.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scale": self.scale,
            "sight": self.sight.state(),
            "calibration": self.calibration.state(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self.online.load_state_dict(state["critics"])
        self.targets.load_state_dict(state["targets"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.scale = state["scale"]
        if "calibration" in state:
            self.calibration.load(state["calibration"])
        if "sight" in state:  # Critics of before saw contexts alone.
            self.sight = self.sight.load(state["sight"])
