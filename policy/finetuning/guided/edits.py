"""Edits: a small network that changes executed chunks a little, as critics like it (EXPO)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float
from torch import Tensor, nn

from configs.ranges import Rate, Width
from datasets.behaviours.critics import Critics
from envs.seeding import derive_seed
from perception.transfer import moved
from policy.finetuning.diverging import Watched, finite
from policy.planner.planner import Planner

LOG_STD = (-5.0, 2.0)


@dataclass(frozen=True)
class EditConfig:
    """How chunks are edited.

    Attributes:
        hidden: Width of the network's two hidden layers.
        beta: The most that a (normalised) number is changed by.
        learning_rate: Of Adam, also of the temperature's.
        temperature: What entropy is worth at first (in the critics' unit); it is learned.
    """

    hidden: Width
    beta: Rate
    learning_rate: Rate
    temperature: Rate


class Edits:
    """A tanh-Gaussian over changes of a chunk, given situation and chunk, with its temperature.

    Args:
        config: See `EditConfig`.
        planner: Whose chunks are edited.
        situation: Numbers that describe a situation.
        seed: Of the first weights.
    """

    def __init__(self, config: EditConfig, planner: Planner, situation: int, seed: int) -> None:
        self._beta, self._planner = config.beta, planner
        self._numbers = planner.config.chunk * planner.sizes.actions
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed("edits", seed, 0))
            self.net = nn.Sequential(
                nn.Linear(situation + self._numbers, config.hidden),
                nn.LayerNorm(config.hidden),
                nn.ReLU(),
                nn.Linear(config.hidden, config.hidden),
                nn.LayerNorm(config.hidden),
                nn.ReLU(),
                nn.Linear(config.hidden, 2 * self._numbers),
            ).to(planner.device)
        first = math.log(config.temperature)
        self._log_temperature = torch.tensor(first, device=planner.device, requires_grad=True)
        self._learned = [*self.net.parameters(), self._log_temperature]
        self._optimizer = torch.optim.Adam(self._learned, config.learning_rate)

    def draws(self, generator: torch.Generator, *lead: int) -> Float[Tensor, "..."]:
        """Draw what `edited` needs to be random, for plans of some leading axes."""
        return moved(torch.randn(*lead, self._numbers, generator=generator), self._planner.device)

    @torch.no_grad()
    def edited(
        self,
        situations: Float[Tensor, "batch feature"],
        plans: Float[Tensor, "batch candidate horizon action"],
        share: float,
        draws: Float[Tensor, "batch candidate number"] | None = None,
    ) -> Float[Tensor, "batch candidate horizon action"]:
        """Change the executed parts of plans by a share of an edit: a random one, or the mean."""
        repeated = situations[:, None].expand(-1, plans.shape[1], -1)
        mean, std = self._gaussian(repeated, self._planner.executed(plans).flatten(2))
        edits = (mean if draws is None else mean + std * draws).tanh()
        changed = plans.clone()
        executed = self._planner.executed(changed)
        executed.add_(share * self._beta * edits.view_as(executed)).clamp_(-1, 1)
        return changed

    def learn(
        self,
        situations: Float[Tensor, "batch feature"],
        plans: Float[Tensor, "batch horizon action"],
        critics: Critics,
        generator: torch.Generator,
    ) -> Watched:
        """Take a step towards edits that critics value, as random as is aimed at.

        Raises:
            DivergedError: The loss is not finite.
        """
        executed = self._planner.executed(plans).flatten(1)
        mean, std = self._gaussian(situations, executed)
        before = mean + std * self.draws(generator, len(plans))
        changed = (executed + self._beta * before.tanh()).clamp(-1, 1)
        log_probs = tanh_log_probability(before, mean, std).sum(dim=-1)
        temperature, aimed_at = self._log_temperature.exp(), -self._numbers / 2
        value = critics.of_candidates(situations, changed[:, None]).mean()
        loss = temperature.detach() * log_probs.mean() - value
        hotter = temperature * (-log_probs.detach().mean() - aimed_at)
        gradients = torch.autograd.grad(loss + hotter, self._learned)
        for weight, gradient in zip(self._learned, gradients, strict=True):
            weight.grad = gradient
        self._optimizer.step()
        return {"edit_loss": finite(loss, "the edits' loss"), "temperature": temperature.detach()}

    def state(self) -> dict[str, Any]:
        """Plain values and tensors, for a checkpoint."""
        return {
            "net": self.net.state_dict(),
            "log_temperature": self._log_temperature.detach().clone(),
            "optimizer": self._optimizer.state_dict(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self.net.load_state_dict(state["net"])
        with torch.no_grad():
            self._log_temperature.copy_(state["log_temperature"])
        self._optimizer.load_state_dict(state["optimizer"])

    def _gaussian(self, situations: Tensor, chunks: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self.net(torch.cat([situations, chunks], dim=-1)).chunk(2, dim=-1)
        return mean, log_std.clamp(*LOG_STD).exp()


def tanh_log_probability(
    before: Float[Tensor, "*lead number"],
    mean: Float[Tensor, "*lead number"],
    std: Float[Tensor, "*lead number"],
) -> Float[Tensor, "*lead number"]:
    """Log-density of tanh of numbers that are drawn from a Gaussian (Haarnoja et al., App. C)."""
    gaussian = -0.5 * ((before - mean) / std) ** 2 - std.log() - 0.5 * math.log(2 * math.pi)
    return gaussian - 2 * (math.log(2) - before - F.softplus(-2 * before))
