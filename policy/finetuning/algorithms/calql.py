"""Cal-QL (Nakamoto et al., NeurIPS 2023): conservative critics, calibrated by returns.

First offline, then online, a soft actor-critic whose critics value what it does no higher than what
was done, but never pushed below the return that was had from there. `calql.yaml` has the settings
that SODP compares with (DPPO's repository), `calql_authors.yaml` those of the paper.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from configs.ranges import NotNegative, Share, between
from perception.transfer import moved
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.guided.actor_critic import beside
from policy.finetuning.guided.actor_critic_config import ActorCriticConfig
from policy.finetuning.guided.critics import Penalty
from policy.finetuning.guided.decisions import Decided, Source
from policy.finetuning.guided.soft import SoftActorCritic, TemperatureConfig
from policy.planner.planner import Planner
from policy.planner.policies import gaussian

Actions = Annotated[int, between(1, 256)]


@dataclass(frozen=True)
class Config(ActorCriticConfig):
    """How to learn.

    Attributes:
        prior_share: Of the recorded decisions in a batch.
        conservative: Weight of the term.
        actions: Draws of each kind that it compares with what was done, while offline.
        online_actions: Likewise, online.
        random_density: Of random actions: `as_described`, the logarithm of 0.5 for each number; or
            `as_released` by DPPO's repository, which subtracts the density itself.
        following: Draws of what follows, the best of which counts.
        temperature: What entropy is worth.
    """

    prior_share: Share
    conservative: NotNegative
    actions: Actions
    online_actions: Actions
    random_density: Literal["as_described", "as_released"]
    following: Actions
    temperature: TemperatureConfig


@dataclass(frozen=True)
class Returning(Decided):
    """Decisions that know what came of them.

    Attributes:
        to_go: Discounted rewards from each to the end of its episode.
    """

    to_go: Float[Tensor, " decision"]


def make(config: Config, planner: Planner, finetune: FinetuneConfig, seed: int) -> "CalQL":
    """Make the algorithm."""
    return CalQL(config, planner, finetune, seed)


class CalQL(SoftActorCritic):
    """Acts by draws; its critics are conservative; see `Algorithm`."""

    kept = Returning

    def __init__(
        self, config: Config, planner: Planner, finetune: FinetuneConfig, seed: int
    ) -> None:
        policy = beside(planner, gaussian.Config, seed, kind="gaussian", actor=config.actor)
        super().__init__(config, config.temperature, policy, finetune, seed)
        self._config = config

    def _remembered(self, decided: Decided) -> Returning:
        discount = self._shared.critic.discount
        return Returning(**vars(decided), to_go=to_go(decided.rewards, decided.last, discount))

    def _source(self) -> Source:
        return self._prior.beside(self.decisions, self._config.prior_share)

    @torch.no_grad()
    def _value_of(self, following: Decided) -> Float[Tensor, " batch"]:
        done, _ = self._drawn(following.contexts, self._config.following)
        return (
            self._values(following, done, heads=self._shared.critic.count).amin(dim=0).amax(dim=-1)
        )

    def _judged(self, values: Float[Tensor, "critic batch"]) -> Float[Tensor, " batch"]:
        return values.amin(dim=0)

    def _penalty(self) -> Penalty:
        config = self._config
        count = config.online_actions if len(self.decisions) else config.actions

        def penalty(now: Decided, following: Decided, values: Tensor) -> Tensor:
            assert isinstance(now, Returning)
            shape = (len(now), count, self._actor.numbers)
            uniform = 2 * torch.rand(shape, generator=self._generator) - 1
            with torch.no_grad():
                own = [self._drawn(part.contexts, count) for part in (now, following)]
            done = torch.cat(
                [moved(uniform, now.contexts.device), *(actions for actions, _ in own)], dim=1
            )
            density = random_density(self._actor.numbers, config.random_density)
            densities = torch.cat([own[0][1].new_full(shape[:2], density), own[0][1], own[1][1]], 1)
            found = self._values(now, done)
            least = (now.to_go * self.critics.scale)[:, None]
            calibrated = torch.cat([found[..., :count], found[..., count:].maximum(least)], dim=-1)
            return config.conservative * surplus(calibrated, densities, values)

        return penalty


def random_density(numbers: int, coded: Literal["as_described", "as_released"]) -> float:
    """Give the log-density of uniform actions in [-1, 1]; see `Config`."""
    return -numbers * math.log(2) if coded == "as_described" else 0.5**numbers


def surplus(
    values: Float[Tensor, "critic batch action"],
    densities: Float[Tensor, "batch action"],
    done: Float[Tensor, "critic batch"],
) -> Float[Tensor, ""]:
    """Say how much higher actions are valued, softly at most, than what was done (CQL, H)."""
    highest = torch.logsumexp(values - densities, dim=-1)
    return (highest - done).mean(dim=1).sum()


def to_go(
    rewards: Float[Tensor, " decision"], last: Bool[Tensor, " decision"], discount: float
) -> Float[Tensor, " decision"]:
    """Give the discounted rewards from each decision to the end of its episode."""
    found, after = [], 0.0
    for reward, ends in zip(reversed(rewards.tolist()), reversed(last.tolist()), strict=True):
        after = reward + (0.0 if ends else discount * after)
        found.append(after)
    return torch.tensor(found[::-1], dtype=rewards.dtype)
