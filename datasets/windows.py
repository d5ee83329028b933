"""Training windows: a short history of observations and the actions around it.

The rules are DP3's: a window of `horizon` steps starts up to `history - 1` steps before an episode
and ends up to `chunk - 1` steps after it; what lies outside is filled with the first or last step
inside. Observations are the first `history` steps of the window; the action at index `history - 1`
is the one taken at the current step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from datasets.collection.further import CHANCES, Further
from datasets.collection.places import movable_places
from datasets.collection.recorded_pictures import recorded_pictures
from datasets.collection.state_features import STATE_FEATURE
from datasets.store.decoding import decode
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from perception.observation import Encoded, Observation, Observes
from perception.transfer import home, moved

NO_MORE = Further()


@dataclass(frozen=True)
class Batch:
    """Recent observations, and the chunk of actions around the current step; what else is asked."""

    observations: Observation[Tensor] | Encoded[Tensor]  # Leading axes: batch, history.
    actions: Float[Tensor, "batch horizon action"]
    moved: Float[Tensor, "batch 2 3"] | None = None  # Of hand and object: see `Windows.moved`.
    returns: Float[Tensor, " batch"] | None = None  # To go from the current step on.
    prompt: "Batch | None" = None  # Steps of another episode, and the actions taken in them.

    def to(self, device: torch.device) -> "Batch":
        """Move everything to a device, without waiting for it."""
        if self.actions.device == device:
            return self
        return Batch(
            _each(self.observations, lambda values: moved(values, device)),
            moved(self.actions, device),
            None if self.moved is None else moved(self.moved, device),
            None if self.returns is None else moved(self.returns, device),
            None if self.prompt is None else self.prompt.to(device),
        )


class Windows:
    """Every window of one or more stores, decoded once into tensors on one device.

    Args:
        observations: Of all steps, leading axis step.
        actions: Of all steps.
        rows: The steps of each window, (window, horizon).
        history: How many of them are observed.
        places: Where the hand and the object are at each step, world metres; None if not asked for.
        further: See `Further`.
    """

    def __init__(
        self,
        observations: Observation[Tensor] | Encoded[Tensor],
        actions: Float[Tensor, "step action"],
        rows: Int[Tensor, "window horizon"],
        history: int,
        places: Float[Tensor, "step 2 3"] | None = None,
        further: Further = NO_MORE,
    ) -> None:
        self.observations, self.actions, self.rows = observations, actions, rows
        self._history, self.places, self.further = history, places, further

    def __len__(self) -> int:
        return len(self.rows)

    def some(self, count: int) -> "Windows":
        """Give so many of the windows, spread evenly over all."""
        spread = torch.linspace(0, len(self) - 1, min(count, len(self))).round().long()
        return self._with(self.rows[spread], self._history, self.further)

    def apart(self, steps: Bool[np.ndarray, " step"]) -> tuple["Windows", "Windows"]:
        """Give the windows of all but the given steps, and those of the given ones."""
        chosen = torch.from_numpy(steps).to(self.rows.device)[self.rows[:, -1]]
        parts = (self.rows[~chosen], self.rows[chosen])
        inside, outside = (self._with(rows, self._history, self.further) for rows in parts)
        return inside, outside

    def observing(self, steps: int) -> "Windows":
        """Give the same windows, with the observations of so many of their first steps."""
        return self._with(self.rows, steps, self.further)

    def telling(self, further: Further) -> "Windows":
        """Give the same windows, with what a policy asks for beside observations and actions."""
        return self._with(self.rows, self._history, further)

    def to(self, device: torch.device) -> "Windows":
        """Move everything to a device; where it does not fit, leave it where it is."""
        parts = [*vars(self.observations).values(), self.actions, self.rows]
        if home(device, sum(part.nbytes for part in parts if part is not None)) != device:
            return self
        observations = _each(self.observations, lambda values: values.to(device))
        actions, rows = self.actions.to(device), self.rows.to(device)
        places = None if self.places is None else self.places.to(device)
        further = self.further.to(device)
        return Windows(observations, actions, rows, self._history, places, further)

    def moved(self, rows: Int[Tensor, "batch horizon"]) -> Float[Tensor, "batch 2 3"]:
        """Give how far hand and object come from the current step to the last of each window.

        Raises:
            ValueError: Their places were not asked for.
        """
        if self.places is None:
            raise ValueError("These windows were loaded without the places of hand and object")
        return self.places[rows[:, -1]] - self.places[rows[:, self._history - 1]]

    def __getitem__(self, index: Int[Tensor, " batch"]) -> Batch:
        return self.batch(index)

    def draw(self, count: int, generator: torch.Generator) -> Float[Tensor, "batch chance"]:
        """Draw what chooses the prompts of so many windows, on the CPU; nothing without prompts."""
        chances = 0 if self.further.prompts is None else CHANCES
        return torch.rand(count, chances, generator=generator)

    def batch(
        self, index: Int[Tensor, " batch"], chances: Float[Tensor, "batch chance"] | None = None
    ) -> Batch:
        """Give some windows, with the prompts that chances (see `draw`) choose for them."""
        rows, further = self.rows[index], self.further
        current = rows[:, self._history - 1]
        moved = None if self.places is None else self.moved(rows)
        returns = None if further.returns is None else further.returns[current]
        prompt = None
        if further.prompts is not None and chances is not None:
            prompt = self.steps(further.prompts.beside(current, chances.to(rows.device)))
        seen = self.steps(rows[:, : self._history]).observations
        return Batch(seen, _taken(self.actions, rows), moved, returns, prompt)

    def steps(self, rows: Int[Tensor, "batch step"]) -> Batch:
        """Give the observations and actions of some steps."""
        observed = _each(self.observations, lambda values: _taken(values, rows))
        return Batch(observed, _taken(self.actions, rows))

    def _with(
        self, rows: Int[Tensor, "window horizon"], history: int, further: Further
    ) -> "Windows":
        parts = (self.observations, self.actions, rows, history, self.places, further)
        return Windows(*parts)


def _taken(
    values: Shaped[Tensor, "step ..."], rows: Int[Tensor, "batch window"]
) -> Shaped[Tensor, "batch window ..."]:
    """Gather steps; `index_select` copies them whole, twice as fast as indexing does."""
    gathered: Tensor = values.index_select(0, rows.flatten())
    return gathered.reshape(*rows.shape, *values.shape[1:])


def _each(
    observations: Observation[Tensor] | Encoded[Tensor], change: Callable[[Tensor], Tensor]
) -> Observation[Tensor] | Encoded[Tensor]:
    """Do the same to every part of observations."""
    if isinstance(observations, Encoded):
        return Encoded(change(observations.visual), change(observations.robot_state))
    return observations.each(change)


def window_rows(
    episode_ends: Int[np.ndarray, " episode"], *, history: int, horizon: int, chunk: int
) -> Int[np.ndarray, "window horizon"]:
    """List the steps of every window of the episodes; see the module for the rules.

    Raises:
        ValueError: The executed chunk does not fit behind the history in the horizon.
    """
    if history - 1 + chunk > horizon:
        raise ValueError(
            f"With history={history} a horizon of {horizon} holds {horizon - history + 1} actions"
            f" from the current step on, fewer than chunk={chunk}"
        )
    rows = []
    for start, end in zip([0, *episode_ends[:-1]], episode_ends, strict=True):
        first = np.arange(start - (history - 1), end - horizon + chunk)
        rows.append(np.clip(first[:, None] + np.arange(horizon), start, end - 1))
    return np.concatenate(rows)


def load_windows(
    paths: Sequence[Path],
    *,
    history: int,
    horizon: int,
    chunk: int,
    memory_map: Path | None = None,
    features: bool = False,
    observes: Observes = "points",
    places: bool = False,
) -> Windows:
    """Decode stores into windows.

    Args:
        paths: Stores of tasks with one robot (their shapes must agree).
        history: Observed steps, T_o.
        horizon: Planned steps, T_p.
        chunk: Executed steps, T_a.
        memory_map: A folder for what is too large for memory, decoded; None keeps it in memory.
        features: Read what `policy/encode.py` made of the clouds instead of them.
        observes: With `image`, read pictures (bytes) in place of clouds; with `features`, the
            simulator's own (`policy/encode.py what=state`) in place of clouds and robot states. The
            clouds of the observations are then empty.
        places: Read off the simulator where hand and object are at each step.

    Raises:
        InputError: A store is missing, unfinished, or holds other shapes or not-a-number; places
            are asked for where it has no simulator states; pictures are to be mapped.
    """
    if memory_map is not None and observes == "image":
        raise InputError("Pictures are kept in memory: leave pretrain.memory=map out")
    stores = [EpisodeStore.open(path) for path in paths]
    where = _places(stores) if places else None
    actions = decode(stores, "action", memory_map)
    observations: Observation[Tensor] | Encoded[Tensor]
    if observes == "features":
        state = decode(stores, STATE_FEATURE, memory_map)
        observations = Observation(state.new_zeros(len(state), 0, 0), state)
    elif observes == "image":
        state = decode(stores, "state", memory_map)
        pictures = torch.from_numpy(recorded_pictures(stores))
        observations = Observation(state.new_zeros(len(state), 0, 0), state, pictures)
    else:
        seen = decode(stores, "visual_feature" if features else "point_cloud", memory_map)
        kind = Encoded if features else Observation
        observations = kind(seen, decode(stores, "state", memory_map))
    rows, offset = [], 0
    for store in stores:
        ends = store.episode_ends
        rows.append(offset + window_rows(ends, history=history, horizon=horizon, chunk=chunk))
        offset += store.steps
    return Windows(observations, actions, torch.from_numpy(np.concatenate(rows)), history, where)


def _places(stores: Sequence[EpisodeStore]) -> Float[Tensor, "step 2 3"]:
    return torch.from_numpy(np.concatenate([movable_places(store) for store in stores]))
