"""Whether critics have earned that they are listened to: the planner plays some episodes alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from configs.ranges import between


@dataclass(frozen=True)
class TrialConfig:
    """How critics are tried against the planner alone.

    Attributes:
        behind: Share of the episodes played to learn that go to who has earned less lately, critics
            or the planner alone (its first plan, as it is); a half each before that is known.
            0: there is no trial, and critics are always listened to.
        episodes: The newest of either kind that are compared.
    """

    behind: Annotated[float, between(0, 0.5)]
    episodes: Annotated[int, between(2, 2**16)]


class Trial:
    """Compares what episodes earned with critics and without.

    Critics foretell what comes of a situation long before they know which of several plans in it is
    the better one; only playing by their choice tells that.
    """

    def __init__(self, config: TrialConfig) -> None:
        self._config = config
        self._returns = torch.zeros(0)
        self._alone = torch.zeros(0, dtype=torch.bool)

    def plays_alone(self, episode: int) -> bool:
        """Tell whether the planner plays the next episode, of this number, by itself."""
        share = self._share_alone
        return int((episode + 1) * share) > int(episode * share)

    @property
    def _share_alone(self) -> float:
        behind = self._config.behind
        if behind == 0 or self.earned:
            return behind
        return 1 - behind if self._known else 0.5

    def note(self, first: int, returns: Float[Tensor, " episode"]) -> None:
        """Note what episodes earned, the first of which has this number."""
        numbers = range(first, first + len(returns))
        alone = torch.tensor([self.plays_alone(number) for number in numbers], dtype=torch.bool)
        self._returns = torch.cat([self._returns, returns.float().cpu()])
        self._alone = torch.cat([self._alone, alone])
        kept = self._newest(self._alone) | self._newest(~self._alone)
        self._returns, self._alone = self._returns[kept], self._alone[kept]

    @property
    def earned(self) -> bool:
        """Whether episodes played by critics have earned more than those of the planner alone."""
        if self._config.behind == 0:
            return True
        return self._known and self._mean(~self._alone) > self._mean(self._alone)

    @property
    def summary(self) -> dict[str, float]:
        """Give the mean returns that are compared, and what follows; nothing without a trial."""
        if self._config.behind == 0:
            return {}
        return {
            "return_alone": self._mean(self._alone),
            "return_guided": self._mean(~self._alone),
            "earned": float(self.earned),
        }

    @property
    def _known(self) -> bool:
        """Whether enough episodes of either kind were played."""
        alone, all_ = int(self._alone.sum()), len(self._alone)
        return min(alone, all_ - alone) >= self._config.episodes

    def _newest(self, of: Bool[Tensor, " episode"]) -> Bool[Tensor, " episode"]:
        """Choose the newest episodes of a kind."""
        behind = of.flip(0).cumsum(0).flip(0)
        return of & (behind <= self._config.episodes)

    def _mean(self, of: Bool[Tensor, " episode"]) -> float:
        return float(self._returns[of].mean()) if bool(of.any()) else 0.0

    def state(self) -> dict[str, Any]:
        """Plain tensors, for a checkpoint."""
        return {"returns": self._returns.clone(), "alone": self._alone.clone()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self._returns, self._alone = state["returns"], state["alone"]
