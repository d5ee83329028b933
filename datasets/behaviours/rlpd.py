"""RLPD: a soft actor-critic that learns from its own steps and from demonstrations, half and half.

Ball et al., "Efficient Online Reinforcement Learning with Offline Data", ICML 2023: symmetric
sampling, layer-normalised critics. In state space and small: it serves to make data.
"""

import math
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float
from torch import Tensor, nn

from configs.ranges import Positive, Rate, Share, Whole, Width, between
from datasets.behaviours.critics import Critics, follow
from datasets.behaviours.transitions import Transitions

LOG_DEVIATION = (-8.0, 1.0)  # Of the actor, least and greatest.


@dataclass(frozen=True)
class RLPDConfig:
    """How an agent learns.

    Attributes:
        hidden: Width of both hidden layers of all networks.
        batch: Transitions per update; half of them demonstrations.
        updates_per_step: Gradient updates per agent step.
        learning_rate: Of Adam, for all networks.
        discount: Of future rewards.
        tau: Step of the target critics towards the critics, after each update.
        temperature: Weight of the entropy at the beginning; it is learned.
        warm_up: Agent steps of smooth random actions before the first update.
    """

    hidden: Width
    batch: Annotated[int, between(2, 2**20)]
    updates_per_step: Annotated[float, between(0, 1000)]
    learning_rate: Rate
    discount: Share
    tau: Rate
    temperature: Positive
    warm_up: Whole


class Actor(nn.Module):
    """A Gaussian squashed by tanh."""

    def __init__(self, features: int, actions: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(features, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 2 * actions),
        )

    def forward(
        self, observations: Float[Tensor, "batch feature"], noise: Float[Tensor, "batch action"]
    ) -> tuple[Float[Tensor, "batch action"], Float[Tensor, " batch"]]:
        """Give actions and their log-probabilities, for standard normal noise."""
        mean, log_deviation = self.layers(observations).chunk(2, dim=-1)
        log_deviation = log_deviation.clamp(*LOG_DEVIATION)
        raw = mean + log_deviation.exp() * noise
        # log(1 - tanh(raw)^2), without cancellation.
        squashing = 2 * (math.log(2) - raw - F.softplus(-2 * raw))
        density = -0.5 * noise**2 - log_deviation - 0.5 * math.log(2 * math.pi)
        return torch.tanh(raw), (density - squashing).sum(dim=-1)


class RLPD:
    """The agent and how it learns."""

    def __init__(self, features: int, actions: int, config: RLPDConfig, seed: int) -> None:
        self.config, self._actions = config, actions
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.actor = Actor(features, actions, config.hidden)
            self.critics = Critics(features, actions, config.hidden)
        self.targets = Critics(features, actions, config.hidden)
        self.targets.load_state_dict(self.critics.state_dict())
        self.log_temperature = torch.tensor(math.log(config.temperature), requires_grad=True)
        rate = config.learning_rate
        self.optimizers = {
            "actor": torch.optim.Adam(self.actor.parameters(), rate, fused=True),
            "critics": torch.optim.Adam(self.critics.parameters(), rate, fused=True),
            "temperature": torch.optim.Adam([self.log_temperature], rate),
        }
        self.generator = torch.Generator().manual_seed(seed)

    def act(self, observation: Float[np.ndarray, " feature"]) -> Float[np.ndarray, " action"]:
        """Draw an action."""
        with torch.no_grad():
            actions: Tensor = self.actor(torch.from_numpy(observation)[None], self._noise(1))[0]
        return actions[0].numpy()

    def update(self, batch: Transitions) -> None:
        """Take one gradient step of critics, actor and temperature."""
        temperature = self.log_temperature.exp().detach()
        self._step("critics", self._critic_loss(batch, temperature))
        self.critics.requires_grad_(requires_grad=False)
        actions, log_probs = self.actor(batch.observations, self._noise(len(batch.rewards)))
        values = self.critics(batch.observations, actions).amin(dim=0)
        self._step("actor", (temperature * log_probs - values).mean())
        self.critics.requires_grad_(requires_grad=True)
        surplus = log_probs.detach().mean() - self._actions  # Target entropy: minus their number.
        self._step("temperature", -self.log_temperature * surplus)
        follow(self.targets, self.critics, self.config.tau)

    def _critic_loss(self, batch: Transitions, temperature: Tensor) -> Tensor:
        with torch.no_grad():
            noise = self._noise(len(batch.rewards))
            actions, log_probs = self.actor(batch.next_observations, noise)
            value = self.targets(batch.next_observations, actions).amin(dim=0)
            value = value - temperature * log_probs
            wanted = batch.rewards + self.config.discount * batch.not_done * value
        error: Tensor = self.critics(batch.observations, batch.actions) - wanted
        return (error**2).mean(dim=1).sum()

    def _step(self, name: str, loss: Tensor) -> None:
        self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[name].step()

    def _noise(self, count: int) -> Float[Tensor, "batch action"]:
        return torch.randn(count, self._actions, generator=self.generator)

    def state(self) -> dict[str, Any]:
        """Everything that the next update depends on."""
        return {
            "actor": self.actor.state_dict(),
            "critics": self.critics.state_dict(),
            "targets": self.targets.state_dict(),
            "temperature": self.log_temperature.detach().clone(),
            "optimizers": {n: o.state_dict() for n, o in self.optimizers.items()},
            "generator": self.generator.get_state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.actor.load_state_dict(state["actor"])
        self.critics.load_state_dict(state["critics"])
        self.targets.load_state_dict(state["targets"])
        with torch.no_grad():
            self.log_temperature.copy_(state["temperature"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(deepcopy(state["optimizers"][name]))  # It keeps them else.
        self.generator.set_state(state["generator"])
