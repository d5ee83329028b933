"""How true critics are: what they expected of decisions not learned from yet, and what came."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from policy.finetuning.guided.decisions import Decided


class Calibration:
    """Values of the newest episodes, each asked before it was learned from, and what came of them.

    Args:
        discount: Of what follows a chunk, as in the values.
        episodes: How many of the newest are kept.
    """

    def __init__(self, discount: float, episodes: int) -> None:
        self._discount, self._episodes = discount, episodes
        self._elapsed, self._values, self._came = torch.zeros(3, 0)
        self._last = torch.zeros(0, dtype=torch.bool)

    @property
    def correlation(self) -> float:
        """Correlate values with what came, each less the mean of its time; 0 without spread."""
        values, came = (_centred(part, self._elapsed) for part in (self._values, self._came))
        norms = float(values.norm() * came.norm())
        return float(values @ came) / norms if norms > 0 else 0.0

    @property
    def summary(self) -> dict[str, float]:
        """Give the means of what was expected and of what came, in rewards, and how they agree."""
        count = max(len(self._values), 1)
        return {
            "expected": float(self._values.sum()) / count,
            "came": float(self._came.sum()) / count,
            "correlation": self.correlation,
        }

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

    def _forget(self) -> None:
        """Keep the newest episodes only."""
        ends = self._last.nonzero().flatten()
        if len(ends) > self._episodes:
            first = int(ends[-self._episodes - 1]) + 1
            self._elapsed, self._values = self._elapsed[first:], self._values[first:]
            self._came, self._last = self._came[first:], self._last[first:]

    def state(self) -> dict[str, Any]:
        """Plain tensors, for a checkpoint."""
        return {
            "elapsed": self._elapsed.clone(),
            "values": self._values.clone(),
            "came": self._came.clone(),
            "last": self._last.clone(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self._last = state["last"]
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
