"""What fine-tuning remembers: its newest episodes with their chains, and its best ones."""

from dataclasses import dataclass
from typing import Any

import torch

from policy.finetuning.advantages import Advantage, advantages
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.experience import Chunks, Experience
from policy.rollouts.rollout import Rollout, join


@dataclass(frozen=True)
class Proficient:
    """One episode worth imitating."""

    chunks: Chunks
    success: bool
    episode_return: float


class TargetBuffer:
    """Proficient episodes: those that succeeded, or had the highest returns while few have.

    Args:
        capacity: Episodes kept; the oldest successes leave first.
        top: While fewer than this many have succeeded, the episodes of highest return fill up.
        until_success: Keep what led to a success alone: where any step decides, nobody says that
            what followed is worth imitating.
    """

    def __init__(self, capacity: int, top: int, *, until_success: bool = False) -> None:
        self._capacity, self._top, self._until_success = capacity, top, until_success
        self.episodes: list[Proficient] = []
        self._joined: Chunks | None = None  # Of all episodes; made when it is first asked for.

    @classmethod
    def of(cls, config: FinetuneConfig, top: int) -> "TargetBuffer":
        """Make one as fine-tuning is told; where `top` is 0, failures are never kept."""
        alone = config.imitated_until == "success"
        return cls(config.target_capacity, top, until_success=alone)

    def __len__(self) -> int:
        return len(self.episodes)

    @property
    def successes(self) -> int:
        """How many of the episodes succeeded."""
        return sum(episode.success for episode in self.episodes)

    def add(self, rollout: Rollout) -> None:
        """Keep what is proficient of a rollout."""
        for env in range(len(rollout)):
            chunks = Chunks.of(rollout, env)
            if self._until_success:
                chunks = chunks[torch.arange(int(rollout.episodes.until_success[env]))]
            self.episodes.append(
                Proficient(
                    chunks,
                    bool(rollout.episodes.successes[env]),
                    float(rollout.returns[env]),
                )
            )
        succeeded = [episode for episode in self.episodes if episode.success]
        failed = [episode for episode in self.episodes if not episode.success]
        failed.sort(key=lambda episode: episode.episode_return, reverse=True)
        fill = failed[: max(0, self._top - len(succeeded))]
        self.episodes = fill + succeeded[-self._capacity :]
        self._joined = None

    def chunks(self) -> Chunks:
        """Give all chunks of all episodes."""
        if self._joined is None:
            self._joined = Chunks.join([episode.chunks for episode in self.episodes])
        return self._joined

    def sample(self, count: int, generator: torch.Generator) -> Chunks:
        """Draw chunks with replacement."""
        chunks = self.chunks()
        return chunks[torch.randint(len(chunks.plans), (count,), generator=generator)]

    def state(self) -> list[dict[str, Any]]:
        """Plain values and tensors, for a checkpoint."""
        return [{**vars(episode), "chunks": vars(episode.chunks)} for episode in self.episodes]

    def load(self, state: list[dict[str, Any]]) -> None:
        """Take back what `state` gave."""
        self.episodes = [
            Proficient(**{**episode, "chunks": Chunks(**episode["chunks"])}) for episode in state
        ]
        self._joined = None


class ReplayBuffer:
    """The newest episodes with their chains.

    Args:
        capacity: Episodes kept.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self.rollout: Rollout | None = None

    def add(self, rollout: Rollout) -> None:
        """Keep a rollout, and forget the oldest episodes."""
        joined = rollout if self.rollout is None else join(self.rollout, rollout)
        self.rollout = joined.newest(self._capacity)

    def experience(self, advantage: Advantage, *, by_start: bool = False) -> Experience:
        """Give every chunk its advantage anew among all that are kept, or those of equal start."""
        if self.rollout is None:
            raise ValueError("Nothing has been played yet")
        chunks = self.rollout.chunks
        starts = self.rollout.episodes.starts if by_start else None
        return Experience.of(
            self.rollout, advantages(chunks.rewards, chunks.valid, advantage, starts)
        )

    def state(self) -> dict[str, Any] | None:
        """Plain values and tensors, for a checkpoint."""
        return None if self.rollout is None else self.rollout.state()

    def load(self, state: dict[str, Any] | None) -> None:
        """Take back what `state` gave."""
        self.rollout = None if state is None else Rollout.load(state)
