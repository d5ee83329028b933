"""The replay of every decision: what was seen, what could be done, was done, and came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from perception.transfer import home, moved
from policy.rollouts.rollout import Rollout

CPU = torch.device("cpu")
FIRST_SIZE = 1024  # Decisions that room is made for at first; doubled whenever it is full.


@dataclass(frozen=True)
class Decided:
    """Decisions, one behind another.

    Attributes:
        contexts: What the encoder made of each history.
        features: The simulator's, of no width where no critic sees them.
        elapsed: Rounds of its episode played before it.
        candidates: The plans that could have been chosen, and last what was followed; normalised.
        rewards: Sum of the rewards of the executed chunk.
        last: Whether its episode ended with it.
    """

    contexts: Float[Tensor, "decision context"]
    features: Float[Tensor, "decision feature"]
    elapsed: Float[Tensor, " decision"]
    candidates: Float[Tensor, "decision candidate horizon action"]
    rewards: Float[Tensor, " decision"]
    last: Bool[Tensor, " decision"]

    @classmethod
    def of(cls, rollout: Rollout) -> "Decided":
        """Take the decisions of a rollout, episode by episode."""
        data = rollout.chunks
        valid = data.valid.T
        last = valid & ~torch.cat([valid[:, 1:], valid.new_zeros(len(valid), 1)], dim=1)
        elapsed = torch.arange(valid.shape[1], dtype=torch.float32).expand(valid.shape)
        choice = torch.cat([data.candidates, data.plans.clamp(-1, 1)[:, :, None]], dim=2)
        return cls(
            contexts=data.contexts.transpose(0, 1)[valid],
            features=data.features.transpose(0, 1)[valid],
            elapsed=elapsed[valid],
            candidates=choice.transpose(0, 1)[valid],
            rewards=data.rewards.T[valid].float(),
            last=last[valid],
        )

    def __getitem__(self, index: Int[Tensor, " batch"] | slice) -> "Decided":
        if isinstance(index, slice):
            return type(self)(**{name: part[index] for name, part in vars(self).items()})
        chosen = {name: part.index_select(0, index) for name, part in vars(self).items()}
        return type(self)(**chosen)

    def __len__(self) -> int:
        return len(self.rewards)

    def to(self, device: torch.device) -> "Decided":
        """Move everything to a device."""
        return type(self)(**{name: moved(part, device) for name, part in vars(self).items()})

    @staticmethod
    def join(parts: Sequence["Decided"]) -> "Decided":
        """Put decisions of one kind behind each other, where the first ones are."""
        parts = [part.to(parts[0].rewards.device) for part in parts]
        kind, names = type(parts[0]), vars(parts[0])
        return kind(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})


@runtime_checkable
class Source(Protocol):
    """What critics learn from."""

    def sample(self, count: int, generator: torch.Generator) -> tuple[Decided, Decided]:
        """Draw decisions with replacement, each with the one that followed (itself if none did)."""

    def parts(self) -> list[Decided]:
        """Give everything that may be drawn."""


class Decisions:
    """The newest decisions, at most so many; what follows one is the one behind it.

    Args:
        capacity: The most that are kept.
        kind: Which are kept.
        device: Where they are kept, as long as they fit there.
    """

    def __init__(
        self,
        capacity: int,
        kind: type[Decided] = Decided,
        device: torch.device = CPU,
    ) -> None:
        self._capacity, self._kind, self._device = capacity, kind, device
        self._room: Decided | None = None
        self._size = self._head = 0

    def __len__(self) -> int:
        return self._size

    def add(self, decided: Decided) -> None:
        """Write decisions over the oldest ones, of whole episodes."""
        for start in range(0, len(decided), self._capacity):
            self._write(decided[start : start + self._capacity])

    def sample(self, count: int, generator: torch.Generator) -> tuple[Decided, Decided]:
        """Draw decisions with replacement, each with the one that followed (itself if none did)."""
        if self._room is None:
            raise ValueError("Nothing has been decided yet")
        index = torch.randint(self._size, (count,), generator=generator)
        index = moved(index, self._room.rewards.device)
        drawn = self._room[index]
        following = torch.where(drawn.last, index, (index + 1) % self._size)
        return drawn, self._room[following]

    def newest(self) -> Decided:
        """Give everything that is kept."""
        if self._room is None:
            raise ValueError("Nothing has been decided yet")
        return self._room[: self._size]

    def parts(self) -> list[Decided]:
        """Give everything that may be drawn."""
        return [self.newest()]

    def state(self) -> dict[str, Any]:
        """Plain values and tensors, for a checkpoint."""
        kept = {} if self._room is None else vars(self._room[: self._size])
        return {
            "head": self._head,
            "decisions": {name: part.to("cpu", copy=True) for name, part in kept.items()},
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave."""
        self._room, self._size, self._head = None, 0, 0
        if kept := state["decisions"]:
            no_features = kept["contexts"][:, :0]  # Those of before had none.
            self.add(self._kind(**{"features": no_features, **kept}))
        self._head = state["head"]

    def _write(self, decided: Decided) -> None:
        self._make_room(decided)
        assert self._room is not None
        place = self._room.rewards.device
        index = (self._head + torch.arange(len(decided), device=place)) % self._capacity
        for field in fields(self._kind):
            getattr(self._room, field.name)[index] = moved(getattr(decided, field.name), place)
        self._size = max(self._size, min(self._head + len(decided), self._capacity))
        self._head = (self._head + len(decided)) % self._capacity

    def _make_room(self, decided: Decided) -> None:
        """Double what is reserved until the new ones fit, up to the capacity."""
        have = 0 if self._room is None else len(self._room)
        wanted = min(self._head + len(decided), self._capacity)
        if wanted <= have:
            return
        size = max(FIRST_SIZE, have)
        while size < wanted:
            size *= 2
        grown, size = {}, min(size, self._capacity)
        bytes_of_each = sum(part[:1].nbytes for part in vars(decided).values())
        place = home(self._device, size * bytes_of_each)
        for name, part in vars(decided).items():
            room = part.new_zeros(size, *part.shape[1:], device=place)
            if self._room is not None:
                room[:have] = getattr(self._room, name)
            grown[name] = room
        self._room = self._kind(**grown)
