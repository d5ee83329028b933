"""RLPD (Ball et al., ICML 2023): soft actor-critic on batches half played and half recorded.

A rival that learns by itself: nothing of the planner is used but its encoder. Layer-normalised
critics, of which two drawn anew for each step value what follows; their mean is what the actor
climbs. `rlpd.yaml` has the settings that SODP compares with (DPPO's repository),
`rlpd_authors.yaml` those of the paper.
"""

from dataclasses import dataclass
from typing import Annotated

from jaxtyping import Float
from torch import Tensor, no_grad

from configs.ranges import Share, between
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.guided.actor_critic import beside
from policy.finetuning.guided.actor_critic_config import ActorCriticConfig
from policy.finetuning.guided.decisions import Decided, Source
from policy.finetuning.guided.soft import SoftActorCritic, TemperatureConfig
from policy.planner.planner import Planner
from policy.planner.policies import gaussian


@dataclass(frozen=True)
class Config(ActorCriticConfig):
    """How to learn.

    Attributes:
        prior_share: Of the recorded decisions in a batch.
        heads: Target critics drawn for each step, the least of whose values counts.
        entropy_backup: Whether what follows is worth its entropy, too.
        temperature: What entropy is worth.
    """

    prior_share: Share
    heads: Annotated[int, between(1, 16)]
    entropy_backup: bool
    temperature: TemperatureConfig


def make(config: Config, planner: Planner, finetune: FinetuneConfig, seed: int) -> "RLPD":
    """Make the algorithm."""
    return RLPD(config, planner, finetune, seed)


class RLPD(SoftActorCritic):
    """Acts by draws, and learns from both kinds of episodes; see `Algorithm`."""

    def __init__(
        self, config: Config, planner: Planner, finetune: FinetuneConfig, seed: int
    ) -> None:
        policy = beside(planner, gaussian.Config, seed, kind="gaussian", actor=config.actor)
        super().__init__(config, config.temperature, policy, finetune, seed)
        self._config = config

    def _source(self) -> Source:
        return self._prior.beside(self.decisions, self._config.prior_share)

    @no_grad()
    def _value_of(self, following: Decided) -> Float[Tensor, " batch"]:
        done, densities = self._drawn(following.contexts)
        values = self._values(following, done, heads=self._config.heads).amin(dim=0)
        if self._config.entropy_backup:
            values = values - self.temperature * densities
        return values[:, 0]

    def _judged(self, values: Float[Tensor, "critic batch"]) -> Float[Tensor, " batch"]:
        return values.mean(dim=0)
