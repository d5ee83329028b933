"""Ways to play while learning, tried against each other: whether critics and exploring help."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from configs.ranges import Whole, between, require
from policy.finetuning.guided.guide import Way


@dataclass(frozen=True)
class TrialConfig:
    """How ways to play are tried against each other.

    Attributes:
        every: Of so many episodes one goes to each of the two ways that succeeded less lately, and
            the rest to the best one (the planner alone, while none succeeds); a third each before
            that is known. 0: there is no trial, all episodes explore, and critics are always
            listened to.
        episodes: The newest of each way that are compared.
    """

    every: Whole
    episodes: Annotated[int, between(2, 2**16)]

    def __post_init__(self) -> None:
        require(self.every == 0 or self.every > len(Way), "@every=0, or more than 3 episodes")

    @property
    def on(self) -> bool:
        """Whether there is a trial."""
        return self.every > 0


class Trial:
    """Compares episodes, each of which was played in one `Way`.

    Critics foretell what comes of a situation long before they know which of several plans in it is
    the better one: only playing by their choice tells that.
    """

    def __init__(self, config: TrialConfig) -> None:
        self._config = config
        self._returns = torch.zeros(0)
        self._successes = torch.zeros(0, dtype=torch.bool)
        self._ways = torch.zeros(0, dtype=torch.int64)

    def way(self, episode: int) -> Way:
        """Say how the next episode, of this number, is played."""
        if not self._config.on:
            return Way.EXPLORING
        if not self._known:
            return Way(episode % len(Way))
        rates = [float(part.float().mean()) for part in self._by_way(self._successes)]
        best = max(Way, key=rates.__getitem__)  # Of equals the first: the planner alone.
        behind = [way for way in Way if way != best]
        place = episode % self._config.every
        return behind[place] if place < len(behind) else best

    def note(
        self, first: int, successes: Bool[Tensor, " episode"], returns: Float[Tensor, " episode"]
    ) -> None:
        """Note how episodes went, the first of which has this number."""
        ways = [self.way(number) for number in range(first, first + len(returns))]
        self._returns = torch.cat([self._returns, returns.float().cpu()])
        self._successes = torch.cat([self._successes, successes.cpu()])
        self._ways = torch.cat([self._ways, torch.tensor(ways)])
        kept = torch.zeros(len(self._ways), dtype=torch.bool)
        for way in Way:
            kept[(self._ways == way).nonzero().flatten()[-self._config.episodes :]] = True
        self._returns, self._successes = self._returns[kept], self._successes[kept]
        self._ways = self._ways[kept]

    @property
    def earned(self) -> bool:
        """Whether guided episodes succeed more often than those of the planner alone.

        Beyond chance: in how many pairs of them only the guided one succeeds is to lie a standard
        deviation (of Mann and Whitney's U) above in how many only the other does. Returns do not
        count: critics that hover near an object earn more, and never grasp it. Where nothing is
        played, offline, there is nothing to compare, and critics are listened to.
        """
        if not self._config.on or not len(self._ways):
            return True
        alone, guided, _ = self._by_way(self._successes)
        if not self._known:
            return False
        ahead = float(guided.float().mean() - alone.float().mean()) / 2
        pairs = len(alone) * len(guided)
        return ahead > math.sqrt((len(alone) + len(guided) + 1) / (12 * pairs))

    @property
    def summary(self) -> dict[str, float]:
        """Give the success and return of each way, and what follows; nothing without a trial."""
        if not self._config.on:
            return {}
        numbers = {"success": self._successes.float(), "return": self._returns}
        means = {
            f"{name}_{way.name.lower()}": float(part.sum()) / max(len(part), 1)
            for name, values in numbers.items()
            for way, part in zip(Way, self._by_way(values), strict=True)
        }
        return {**means, "earned": float(self.earned)}

    @property
    def _known(self) -> bool:
        """Whether enough episodes of each way were played."""
        counts = torch.bincount(self._ways, minlength=len(Way))
        return int(counts.min()) >= self._config.episodes

    def _by_way(self, values: Shaped[Tensor, " episode"]) -> list[Shaped[Tensor, " part"]]:
        return [values[self._ways == way] for way in Way]

    def state(self) -> dict[str, Any]:
        """Plain tensors, for a checkpoint."""
        return {
            "returns": self._returns.clone(),
            "successes": self._successes.clone(),
            "ways": self._ways.clone(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self._returns, self._successes = state["returns"], state["successes"]
        self._ways = state["ways"]
