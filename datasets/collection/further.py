"""What windows hold beside observations and actions where a policy asks for it: returns, prompts.

A prompt is a piece of another episode of the same task: consecutive observations and actions that
show how it is done. Pieces come from the best episodes of each task, by the sum of their rewards.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from datasets.store.decoding import decode
from datasets.store.store import EpisodeStore

CHANCES = 2  # Numbers in [0, 1) that choose a prompt: its episode, and where it begins.


@dataclass(frozen=True)
class Asked:
    """What a policy asks for.

    Attributes:
        discount: Of a reward a step later, in the return-to-go; None: it is not asked for.
        prompt: Steps of a prompt; 0: none is asked for.
        examples: Episodes of each task that prompts come from.
    """

    discount: float | None = None
    prompt: int = 0
    examples: int = 1

    @property
    def nothing(self) -> bool:
        """Whether observations and actions are enough."""
        return self.discount is None and not self.prompt


@dataclass(frozen=True)
class Prompts:
    """Where prompts are found in the steps of all episodes.

    Attributes:
        ends: Of the episodes, cumulative and exclusive.
        tasks: The number of each one's task.
        shown: Whether prompts come from it.
        names: Of the tasks.
        steps: Of a prompt; where an episode is shorter, its last one is repeated.
    """

    ends: Int[Tensor, " episode"]
    tasks: Int[Tensor, " episode"]
    shown: Bool[Tensor, " episode"]
    names: tuple[str, ...]
    steps: int

    def to(self, device: torch.device) -> "Prompts":
        """Move everything to a device."""
        parts = {name: getattr(self, name).to(device) for name in ("ends", "tasks", "shown")}
        return replace(self, **parts)

    def beside(
        self, current: Int[Tensor, " batch"], chances: Float[Tensor, "batch 2"]
    ) -> Int[Tensor, "batch prompt"]:
        """Choose the steps of a prompt for each step: of its task, and of another episode.

        Of its own one where its task has no other to show.
        """
        own = torch.searchsorted(self.ends, current.contiguous(), right=True)[:, None]
        possible = self.shown & (self.tasks == self.tasks[own])
        others = possible & (torch.arange(len(self.ends), device=own.device) != own)
        return self._pieces(torch.where(others.any(1, keepdim=True), others, possible), chances)

    def of_task(self, task: int, chances: Float[Tensor, "count 2"]) -> Int[Tensor, "count prompt"]:
        """Choose the steps of prompts of a task."""
        possible = self.shown & (self.tasks == task)
        return self._pieces(possible.expand(len(chances), -1), chances)

    def _pieces(
        self, possible: Bool[Tensor, "count episode"], chances: Float[Tensor, "count 2"]
    ) -> Int[Tensor, "count prompt"]:
        counts = possible.sum(1)
        chosen = _share(chances[:, 0], counts)
        episode = (possible.cumsum(1) > chosen[:, None]).int().argmax(1)
        ends = self.ends[episode]
        starts = torch.where(episode > 0, self.ends[episode - 1], 0)
        first = starts + _share(chances[:, 1], (ends - starts - self.steps).clamp(min=0) + 1)
        rows = first[:, None] + torch.arange(self.steps, device=first.device)
        return torch.minimum(rows, ends[:, None] - 1)


def _share(chances: Tensor, counts: Tensor) -> Int[Tensor, " count"]:
    """Turn chances into numbers below the counts; rounding may reach a count itself."""
    return torch.minimum((chances * counts).long(), counts - 1)


@dataclass(frozen=True)
class Further:
    """What windows hold beside observations and actions.

    Attributes:
        returns: The return-to-go of every step; see `returns_to_go`.
        prompts: Where prompts are found.
    """

    returns: Float[Tensor, " step"] | None = None
    prompts: Prompts | None = None

    def to(self, device: torch.device) -> "Further":
        """Move everything to a device."""
        returns = None if self.returns is None else self.returns.to(device)
        return Further(returns, None if self.prompts is None else self.prompts.to(device))


def load_further(paths: Sequence[Path], asked: Asked) -> Further:
    """Work out what a policy asks for, from the rewards of stores.

    Raises:
        InputError: A store has none, or one that is not finite.
    """
    stores = [EpisodeStore.open(path) for path in paths]
    rewards = decode(stores, "reward").numpy()
    tasks = [str(store.attributes["task"]) for store in stores]
    names = tuple(sorted(set(tasks)))
    numbers = np.repeat([names.index(t) for t in tasks], [store.episodes for store in stores])
    lengths = np.concatenate([np.diff(store.episode_ends, prepend=0) for store in stores])
    ends = np.cumsum(lengths)
    longest = np.array([lengths[numbers == task].max() for task in range(len(names))])
    returns = prompts = None
    if asked.discount is not None:
        found = returns_to_go(rewards, ends, longest[numbers], asked.discount)
        returns = torch.from_numpy(found)
    if asked.prompt:
        earned = np.add.reduceat(rewards.astype(np.float64), ends - lengths)
        shown = _best(earned, numbers, asked.examples)
        tensors = [torch.from_numpy(part) for part in (ends, numbers, shown)]
        prompts = Prompts(tensors[0], tensors[1], tensors[2], names, asked.prompt)
    return Further(returns, prompts)


def _best(
    earned: Float[np.ndarray, " episode"], tasks: Int[np.ndarray, " episode"], count: int
) -> Bool[np.ndarray, " episode"]:
    """Tell which episodes are among so many best ones of their tasks."""
    best = np.zeros(len(earned), bool)
    for task in np.unique(tasks):
        own = np.flatnonzero(tasks == task)
        best[own[np.argsort(-earned[own], kind="stable")[:count]]] = True
    return best


def returns_to_go(
    rewards: Float[np.ndarray, " step"],
    ends: Int[np.ndarray, " episode"],
    longest: Int[np.ndarray, " episode"],
    discount: float,
) -> Float[np.ndarray, " step"]:
    """Sum the discounted rewards from each step on, over the steps that a long episode has left.

    Args:
        rewards: Of all steps.
        ends: Of the episodes, cumulative and exclusive.
        longest: Steps of the longest episode of each one's task.
        discount: Of a reward a step later.
    """
    found = np.empty(len(rewards), np.float32)
    for start, end, most in zip([0, *ends[:-1]], ends, longest, strict=True):
        to_go = 0.0
        for step in range(end - 1, start - 1, -1):
            to_go = rewards[step] + discount * to_go
            found[step] = to_go / (most - (step - start))
    return found
