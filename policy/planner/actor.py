"""A Gaussian over actions, by an MLP: what actor-critics teach.

With a learned deviation it is a Gaussian squashed by tanh; with a fixed one a Gaussian around a
squashed mean, its noise cut off at three deviations: the two kinds of DPPO's repository.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from jaxtyping import Float
from torch import Tensor, nn

from configs.ranges import Rate, Width, between

LOG_STD = (-5.0, 2.0)  # Least and greatest of what is learned: 0.0067 to 7.39.
WITHIN = 1 - 1e-5  # Actions at the edge have no finite place before tanh.
CUT = 3.0  # Deviations beyond which noise of a fixed size is cut off.


@dataclass(frozen=True)
class ActorConfig:
    """The network and its noise.

    Attributes:
        hidden: Width of its hidden layers.
        layers: How many there are.
        dropout: Share of hidden numbers that are left out while learning.
        std: Of the noise; None: it is learned.
    """

    hidden: Width
    layers: Annotated[int, between(1, 8)]
    dropout: Annotated[float, between(0, 0.9)]
    std: Rate | None


class Actor(nn.Module):
    """A distribution over numbers in [-1, 1], given what is seen.

    Args:
        config: See `ActorConfig`.
        seen: Numbers that describe a situation.
        numbers: Of what is done in it.
    """

    def __init__(self, config: ActorConfig, seen: int, numbers: int) -> None:
        super().__init__()
        self._std, self.numbers = config.std, numbers
        widths = [seen] + [config.hidden] * config.layers
        hidden: list[nn.Module] = []
        for before, after in pairwise(widths):
            hidden += [nn.Linear(before, after), nn.ReLU()]
            hidden += [nn.Dropout(config.dropout)] if config.dropout else []
        outputs = numbers if config.std else 2 * numbers
        self.net = nn.Sequential(*hidden, nn.Linear(widths[-1], outputs))

    def mode(self, seen: Float[Tensor, "*lead seen"]) -> Float[Tensor, "*lead number"]:
        """Give what is done without noise."""
        return self._gaussian(seen)[0].tanh()

    def forward(
        self, seen: Float[Tensor, "*lead seen"], noise: Float[Tensor, "*lead number"]
    ) -> tuple[Float[Tensor, "*lead number"], Float[Tensor, " *lead"]]:
        """Give what is done for standard normal noise, and its log-density."""
        mean, std = self._gaussian(seen)
        if self._std:
            noise = noise.clamp(-CUT, CUT)
            done = (mean.tanh() + std * noise).clamp(-1, 1)
            return done, _normal(noise, std).sum(dim=-1)
        before = mean + std * noise
        return before.tanh(), (_normal(noise, std) - _squashing(before)).sum(dim=-1)

    def log_density(
        self, seen: Float[Tensor, "*lead seen"], done: Float[Tensor, "*lead number"]
    ) -> Float[Tensor, " *lead"]:
        """Give the log-density of what was done."""
        mean, std = self._gaussian(seen)
        if self._std:
            return _normal((done - mean.tanh()) / std, std).sum(dim=-1)
        before = done.clamp(-WITHIN, WITHIN).atanh()
        return (_normal((before - mean) / std, std) - _squashing(before)).sum(dim=-1)

    def _gaussian(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        out: Tensor = self.net(seen)
        if self._std:
            return out, torch.full_like(out, self._std)
        mean, log_std = out.chunk(2, dim=-1)
        low, high = LOG_STD
        log_std = low + (high - low) * (log_std.tanh() + 1) / 2
        return mean, log_std.exp()


def _normal(noise: Tensor, std: Tensor) -> Tensor:
    return -0.5 * noise.square() - std.log() - 0.5 * math.log(2 * math.pi)


def _squashing(before: Tensor) -> Tensor:
    """Give log(1 - tanh(x)^2), without cancellation."""
    return 2 * (math.log(2) - before - F.softplus(-2 * before))


def draw_dropout(count: int, generator: torch.Generator | None) -> tuple[Tensor]:
    """Draw what decides which hidden numbers are left out: the first window's seed does."""
    return (torch.randint(2**31, (count,), generator=generator),)


def log_densities(
    actors: Sequence[Actor],
    context: Float[Tensor, "batch context"],
    done: Float[Tensor, "batch number"],
    drawn: tuple[Tensor, ...],
) -> Float[Tensor, "actor batch"]:
    """Give each actor's log-density of what was done, with dropout as it was drawn."""
    with torch.random.fork_rng():
        torch.manual_seed(int(drawn[0][0]))
        return torch.stack([actor.log_density(context, done) for actor in actors])
