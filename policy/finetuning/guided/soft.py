"""Soft actor-critics: entropy is worth something, and how much is learned (Haarnoja et al.)."""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from configs.ranges import Rate, Real
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.diverging import Watched
from policy.finetuning.guided.actor_critic import ActorCritic
from policy.finetuning.guided.actor_critic_config import ActorCriticConfig
from policy.finetuning.guided.decisions import Decided
from policy.planner.policy import Policy


@dataclass(frozen=True)
class TemperatureConfig:
    """What entropy is worth.

    Attributes:
        first: At first.
        aimed_at: The entropy that it is learned for, for each number of an action.
        learning_rate: Of Adam.
    """

    first: Rate
    aimed_at: Real
    learning_rate: Rate


class SoftActorCritic(ActorCritic):
    """An actor that is to be valued and to stay random; see `ActorCritic`."""

    def __init__(
        self,
        config: ActorCriticConfig,
        temperature: TemperatureConfig,
        policy: Policy,
        finetune: FinetuneConfig,
        seed: int,
    ) -> None:
        super().__init__(config, policy, finetune, seed)
        first = math.log(temperature.first)
        self._log_temperature = torch.tensor(first, device=self._device, requires_grad=True)
        self._aimed_at = temperature.aimed_at * self._actor.numbers
        self._cooling = torch.optim.Adam([self._log_temperature], temperature.learning_rate)

    @property
    def temperature(self) -> Tensor:
        """What entropy is worth now, in the critics' unit."""
        return self._log_temperature.detach().exp()

    @abstractmethod
    def _judged(self, values: Float[Tensor, "critic batch"]) -> Float[Tensor, " batch"]:
        """Say which of the critics' values the actor climbs."""

    def _actor_step(self, now: Decided) -> Watched:
        """Take a step of the actor, and one of the temperature."""
        done, densities = self._drawn(now.contexts)
        judged = self._judged(self._values(now, done)[..., 0])
        loss = self._descend((self.temperature * densities[:, 0] - judged).mean())
        surplus = densities.detach().mean() + self._aimed_at
        self._cooling.zero_grad(set_to_none=True)
        (-self._log_temperature.exp() * surplus).backward()
        self._cooling.step()
        return {"actor_loss": loss, "temperature": self.temperature}

    def state(self) -> dict[str, Any]:
        """Everything but the planner that the next update depends on."""
        cooling = self._cooling.state_dict()
        own = {"log_temperature": self._log_temperature.detach().clone(), "cooling": cooling}
        return {**super().state(), **own}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        super().load(state)
        with torch.no_grad():
            self._log_temperature.copy_(state["log_temperature"])
        self._cooling.load_state_dict(state["cooling"])
