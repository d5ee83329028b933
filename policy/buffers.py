"""What fine-tuning remembers: its best episodes, and the chains to learn from."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from policy.rollout import Rollout


@dataclass(frozen=True)
class Proficient:
    """One episode worth imitating: its contexts and the plans made of them."""

    contexts: Float[Tensor, "time context"]
    plans: Float[Tensor, "time horizon action"]
    success: bool
    episode_return: float


class TargetBuffer:
    """Proficient episodes: those that succeeded, or had the highest returns while few have.

    Approximates the target policy mu of Eq. 14 by whole trajectories (Algorithm 1).

    Args:
        capacity: Episodes kept; the oldest successes leave first.
        top: While fewer than this many have succeeded, the episodes of highest return fill up.
    """

    def __init__(self, capacity: int, top: int) -> None:
        self._capacity, self._top = capacity, top
        self.episodes: list[Proficient] = []

    def __len__(self) -> int:
        return len(self.episodes)

    @property
    def successes(self) -> int:
        """How many of the episodes succeeded."""
        return sum(episode.success for episode in self.episodes)

    def add(self, rollout: Rollout) -> None:
        """Keep what is proficient of a rollout."""
        for env in range(rollout.played.shape[1]):
            played = rollout.played[:, env]
            self.episodes.append(
                Proficient(
                    rollout.contexts[played, env],
                    rollout.samples[played, env, -1].clamp(-1, 1),
                    bool(rollout.successes[env]),
                    float(rollout.returns[env]),
                )
            )
        succeeded = [episode for episode in self.episodes if episode.success]
        failed = [episode for episode in self.episodes if not episode.success]
        failed.sort(key=lambda episode: episode.episode_return, reverse=True)
        fill = failed[: max(0, self._top - len(succeeded))]
        self.episodes = fill + succeeded[-self._capacity :]

    def chunks(
        self,
    ) -> tuple[Float[Tensor, "chunk context"], Float[Tensor, "chunk horizon action"]]:
        """Give the contexts and plans of all chunks."""
        return (
            torch.cat([episode.contexts for episode in self.episodes]),
            torch.cat([episode.plans for episode in self.episodes]),
        )

    def state(self) -> list[dict[str, Any]]:
        """Plain values and tensors, for a checkpoint."""
        return [vars(episode) for episode in self.episodes]

    def load(self, state: list[dict[str, Any]]) -> None:
        """Take back what `state` gave."""
        self.episodes = [Proficient(**episode) for episode in state]


@dataclass(frozen=True)
class Experience:
    """Chunks of on-policy rollouts, flat: what the improvement loss draws its pairs from."""

    contexts: Float[Tensor, "chunk context"]
    means: Float[Tensor, "chunk S horizon action"]
    samples: Float[Tensor, "chunk S+1 horizon action"]
    weights: Float[Tensor, " chunk"]

    @classmethod
    def of(cls, rollout: Rollout, weights: Float[Tensor, "time env"]) -> "Experience":
        """Flatten the chunks that were played."""
        played: Bool[Tensor, "time env"] = rollout.played
        return cls(
            rollout.contexts[played],
            rollout.means[played],
            rollout.samples[played],
            weights[played],
        )

    def __len__(self) -> int:
        return len(self.weights)

    def draw(
        self, count: int, generator: torch.Generator
    ) -> tuple[Int[Tensor, " batch"], Int[Tensor, " batch"]]:
        """Draw pairs of a chunk and a denoising step."""
        chunk = torch.randint(len(self), (count,), generator=generator)
        step = torch.randint(self.means.shape[1], (count,), generator=generator)
        return chunk, step
