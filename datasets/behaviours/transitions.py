"""Steps of a task as reinforcement learning uses them, and the memory that they are drawn from."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

OLD_NAMES = {"going_on": "not_done"}  # In states that were saved before.


@dataclass(frozen=True)
class Transitions:
    """Steps of a task."""

    observations: Float[Tensor, "batch feature"]
    actions: Float[Tensor, "batch action"]
    rewards: Float[Tensor, " batch"]
    next_observations: Float[Tensor, "batch feature"]
    not_done: Float[Tensor, " batch"]  # 0 where the task ended for good (not by its time limit).

    def beside(self, other: "Transitions") -> "Transitions":
        """Put two batches together."""
        mine, theirs = vars(self), vars(other)
        return Transitions(**{name: torch.cat([mine[name], theirs[name]]) for name in mine})

    def scaled(
        self, shift: Float[Tensor, " feature"], scale: Float[Tensor, " feature"], reward: float
    ) -> "Transitions":
        """Standardise observations, and multiply rewards."""
        return Transitions(
            (self.observations - shift) / scale,
            self.actions,
            self.rewards * reward,
            (self.next_observations - shift) / scale,
            self.not_done,
        )


class Memory:
    """A table of transitions, with room for `capacity`.

    Args:
        capacity: Rows.
        features: Numbers in an observation.
        actions: Numbers in an action.
    """

    def __init__(self, capacity: int, features: int, actions: int) -> None:
        shapes: dict[str, tuple[int, ...]] = {
            "observations": (features,),
            "actions": (actions,),
            "rewards": (),
            "next_observations": (features,),
            "not_done": (),
        }
        self._table = {n: torch.zeros(capacity, *s) for n, s in shapes.items()}
        self.size = 0

    def add(self, **row: np.ndarray | float) -> None:
        """Remember one transition."""
        for name, value in row.items():
            self._table[name][self.size] = torch.as_tensor(value)
        self.size += 1

    def sample(self, count: int, generator: torch.Generator) -> Transitions:
        """Draw transitions."""
        rows = torch.randint(self.size, (count,), generator=generator)
        return Transitions(**{name: values[rows] for name, values in self._table.items()})

    def everything(self) -> Transitions:
        """Give all that is remembered."""
        return Transitions(**{name: values[: self.size] for name, values in self._table.items()})

    def state(self) -> dict[str, Tensor]:
        """Copy all that is remembered: of a view, the whole table would be saved."""
        return {name: values.clone() for name, values in vars(self.everything()).items()}

    def load(self, remembered: dict[str, Tensor]) -> None:
        """Remember these transitions (by name), and nothing else."""
        self.size = len(remembered["rewards"])
        for name, values in remembered.items():
            self._table[OLD_NAMES.get(name, name)][: self.size] = values
