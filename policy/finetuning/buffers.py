"""What fine-tuning remembers: its best episodes, and the chains to learn from."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from datasets.behaviours.training_state import load_state
from perception.errors import InputError
from policy.finetuning.losses import chunk_weights
from policy.rollouts.rollout import Rollout, join, newest


@dataclass(frozen=True)
class Chunks:
    """Plans and what they were made from; `points` and `state` only where they are kept."""

    contexts: Float[Tensor, "chunk context"]
    points: Float[Tensor, "chunk history point channel"]
    state: Float[Tensor, "chunk history reading"]
    plans: Float[Tensor, "chunk horizon action"]

    @classmethod
    def of(cls, rollout: Rollout, episodes: int | slice) -> "Chunks":
        """Take the chunks that were played in one or several episodes of a rollout."""
        played = rollout.played[:, episodes]
        contexts, points, state, samples = (
            getattr(rollout, name)[:, episodes][played]
            for name in ("contexts", "points", "state", "samples")
        )
        return cls(contexts, points, state, samples[:, -1].clamp(-1, 1))

    @classmethod
    def join(cls, parts: Sequence["Chunks"]) -> "Chunks":
        """Put chunks behind each other."""
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])))


@dataclass(frozen=True)
class Proficient:
    """One episode worth imitating."""

    chunks: Chunks
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
            self.episodes.append(
                Proficient(
                    Chunks.of(rollout, env),
                    bool(rollout.successes[env]),
                    float(rollout.returns[env]),
                )
            )
        succeeded = [episode for episode in self.episodes if episode.success]
        failed = [episode for episode in self.episodes if not episode.success]
        failed.sort(key=lambda episode: episode.episode_return, reverse=True)
        fill = failed[: max(0, self._top - len(succeeded))]
        self.episodes = fill + succeeded[-self._capacity :]

    def chunks(self) -> Chunks:
        """Give all chunks of all episodes."""
        return Chunks.join([episode.chunks for episode in self.episodes])

    def state(self) -> list[dict[str, Any]]:
        """Plain values and tensors, for a checkpoint."""
        return [{**vars(episode), "chunks": vars(episode.chunks)} for episode in self.episodes]

    def load(self, state: list[dict[str, Any]]) -> None:
        """Take back what `state` gave."""
        self.episodes = [
            Proficient(**{**episode, "chunks": Chunks(**episode["chunks"])}) for episode in state
        ]


class ReplayBuffer:
    """The newest episodes with their chains, B of Algorithm 1.

    Args:
        capacity: Episodes kept. The paper keeps all; what is long past is clipped away.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self.rollout: Rollout | None = None

    def add(self, rollout: Rollout) -> None:
        """Keep a rollout, and forget the oldest episodes."""
        joined = rollout if self.rollout is None else join(self.rollout, rollout)
        self.rollout = newest(joined, self._capacity)

    def experience(self, weight: str, *, by_start: bool = False) -> "Experience":
        """Weigh every chunk anew among all that are kept, or those of equal start."""
        if self.rollout is None:
            raise ValueError("Nothing has been played yet")
        kept, starts = self.rollout, self.rollout.starts if by_start else None
        weights = chunk_weights(kept.rewards, kept.played, weight, starts)
        return Experience.of(self.rollout, weights)

    def state(self) -> dict[str, Any] | None:
        """Plain values and tensors, for a checkpoint."""
        return None if self.rollout is None else dict(vars(self.rollout))

    def load(self, state: dict[str, Any] | None) -> None:
        """Take back what `state` gave."""
        self.rollout = None if state is None else Rollout(**state)


def read_experience(path: Path, *, by_start: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read what a finished fine-tuning has played: the states of its two buffers.

    Args:
        path: Its `finetune-state.pt`.
        by_start: Whether episodes of equal start are to be compared with each other.

    Raises:
        InputError: There is no such file, it is another, or no two episodes began alike.
    """
    if not path.exists():
        raise InputError(
            f"There is no experience {path}: give"
            " finetune.experience=<a finished run>/checkpoints/finetune-state.pt"
        )
    state = load_state(path) or {}
    if not {"replay", "target"} <= state.keys():
        raise InputError(f"{path} is not the state of a fine-tuning")
    replay = state["replay"]
    if replay is None or replay.keys() != {field.name for field in fields(Rollout)}:
        raise InputError(f"{path} is another version's: its episodes are to be played anew")
    if by_start and len(replay["starts"].unique()) == len(replay["starts"]):
        raise InputError(f"In {path} no two episodes began alike: finetune.group_size=1")
    return replay, state["target"]


@dataclass(frozen=True)
class Experience:
    """Chunks of recent rollouts, flat: what the improvement loss draws its pairs from."""

    chunks: Chunks
    means: Float[Tensor, "chunk S horizon action"]
    samples: Float[Tensor, "chunk S+1 horizon action"]
    weights: Float[Tensor, " chunk"]

    @classmethod
    def of(cls, rollout: Rollout, weights: Float[Tensor, "time env"]) -> "Experience":
        """Flatten the chunks that were played."""
        played: Bool[Tensor, "time env"] = rollout.played
        return cls(
            Chunks.of(rollout, slice(None)),
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
