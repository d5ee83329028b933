"""How far critics are trusted: by decisions that they have not learned from yet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from configs.ranges import Count, between
from policy.finetuning.guided.decisions import Decided


@dataclass(frozen=True)
class TrustConfig:
    """When critics have earned their edits.

    Attributes:
        correlation: The least, of values with what came, over the newest episodes: each before it
            is learned from, and compared with what others had at the same time.
        episodes: How many of the newest.
        rise: Trusted episodes until edits are whole.
    """

    correlation: Annotated[float, between(-1, 1)]
    episodes: Annotated[int, between(2, 2**16)]
    rise: Count


class Trust:
    """Compares what critics expected with what came.

    Args:
        config: See `TrustConfig`.
        discount: Of what follows a chunk, as in the values.
    """

    def __init__(self, config: TrustConfig, discount: float) -> None:
        self._config, self._discount = config, discount
        self._risen = 0.0
        self._elapsed, self._values, self._came = torch.zeros(3, 0)
        self._last = torch.zeros(0, dtype=torch.bool)

    @property
    def share(self) -> float:
        """Which share of an edit is used: none while the critics are not trusted."""
        return self._risen if self.correlation >= self._config.correlation else 0.0

    @property
    def correlation(self) -> float:
        """Correlate values with what came, each less the mean of its time; 0 without spread."""
        values, came = (_centred(part, self._elapsed) for part in (self._values, self._came))
        norms = float(values.norm() * came.norm())
        return float(values @ came) / norms if norms > 0 else 0.0

    def note(self, decided: Decided, values: Float[Tensor, " decision"]) -> None:
        """Note whole episodes that critics valued and have not learned from.

        Args:
            decided: Their decisions, as they were played.
            values: Of what was executed, in the unit of rewards.
        """
        came = to_go(decided.rewards, decided.last, self._discount)
        self._elapsed = torch.cat([self._elapsed, decided.elapsed])
        self._values = torch.cat([self._values, values])
        self._came = torch.cat([self._came, came])
        self._last = torch.cat([self._last, decided.last])
        self._forget()
        if self.correlation >= self._config.correlation:
            self._risen = min(1.0, self._risen + float(decided.last.sum()) / self._config.rise)

    def _forget(self) -> None:
        """Keep the newest episodes only."""
        ends = self._last.nonzero().flatten()
        if len(ends) > self._config.episodes:
            first = int(ends[-self._config.episodes - 1]) + 1
            self._elapsed, self._values = self._elapsed[first:], self._values[first:]
            self._came, self._last = self._came[first:], self._last[first:]

    def state(self) -> dict[str, Any]:
        """Plain values and tensors, for a checkpoint."""
        return {
            "risen": self._risen,
            "elapsed": self._elapsed.clone(),
            "values": self._values.clone(),
            "came": self._came.clone(),
            "last": self._last.clone(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self._risen, self._last = state["risen"], state["last"]
        self._elapsed, self._values, self._came = (
            state[name] for name in ("elapsed", "values", "came")
        )


def to_go(
    rewards: Float[Tensor, " decision"], last: Bool[Tensor, " decision"], discount: float
) -> Float[Tensor, " decision"]:
    """Give the discounted sum of the rewards of each decision and those behind it."""
    sums = rewards.clone()
    for index in range(len(rewards) - 2, -1, -1):
        if not last[index]:
            sums[index] += discount * sums[index + 1]
    return sums


def _centred(
    values: Float[Tensor, " decision"], elapsed: Float[Tensor, " decision"]
) -> Float[Tensor, " decision"]:
    """Take from each value the mean of those at its time."""
    _, times = elapsed.unique(return_inverse=True)
    alike = torch.bincount(times).clamp(min=1)
    return values - (torch.bincount(times, values) / alike).to(values)[times]
