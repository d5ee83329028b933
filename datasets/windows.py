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
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from datasets.collection.places import movable_places
from datasets.collection.recorded_pictures import recorded_pictures
from datasets.collection.state_features import STATE_FEATURE
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from perception.observation import Encoded, Observation, Observes


@dataclass(frozen=True)
class Batch:
    """Recent observations, and the chunk of actions around the current step."""

    observations: Observation[Tensor] | Encoded[Tensor]  # Leading axes: batch, history.
    actions: Float[Tensor, "batch horizon action"]
    moved: Float[Tensor, "batch 2 3"] | None = None  # Of hand and object: see `Windows.moved`.


class Windows:
    """Every window of one or more stores, decoded once into tensors on one device.

    Args:
        observations: Of all steps, leading axis step.
        actions: Of all steps.
        rows: The steps of each window, (window, horizon).
        history: How many of them are observed.
        places: Where the hand and the object are at each step, world metres; None if not asked for.
    """

    def __init__(
        self,
        observations: Observation[Tensor] | Encoded[Tensor],
        actions: Float[Tensor, "step action"],
        rows: Int[Tensor, "window horizon"],
        history: int,
        places: Float[Tensor, "step 2 3"] | None = None,
    ) -> None:
        self.observations, self.actions, self.rows = observations, actions, rows
        self._history, self.places = history, places

    def __len__(self) -> int:
        return len(self.rows)

    def some(self, count: int) -> "Windows":
        """Give so many of the windows, spread evenly over all."""
        spread = torch.linspace(0, len(self) - 1, min(count, len(self))).round().long()
        rows = self.rows[spread]
        return Windows(self.observations, self.actions, rows, self._history, self.places)

    def observing(self, steps: int) -> "Windows":
        """Give the same windows, with the observations of so many of their first steps."""
        return Windows(self.observations, self.actions, self.rows, steps, self.places)

    def to(self, device: torch.device) -> "Windows":
        """Move everything to a device."""
        observations = _each(self.observations, lambda values: values.to(device))
        actions, rows = self.actions.to(device), self.rows.to(device)
        places = None if self.places is None else self.places.to(device)
        return Windows(observations, actions, rows, self._history, places)

    def moved(self, rows: Int[Tensor, "batch horizon"]) -> Float[Tensor, "batch 2 3"]:
        """Give how far hand and object come from the current step to the last of each window.

        Raises:
            ValueError: Their places were not asked for.
        """
        if self.places is None:
            raise ValueError("These windows were loaded without the places of hand and object")
        return self.places[rows[:, -1]] - self.places[rows[:, self._history - 1]]

    def __getitem__(self, index: Int[Tensor, " batch"]) -> Batch:
        rows = self.rows[index]
        seen = rows[:, : self._history]
        observed = _each(self.observations, lambda values: _taken(values, seen))
        moved = None if self.places is None else self.moved(rows)
        return Batch(observed, _taken(self.actions, rows), moved)


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
        memory_map: A folder for decoded clouds too large for memory; None keeps them in memory.
        features: Read what `policy/encode.py` made of the clouds instead of them.
        observes: With `image`, read pictures (bytes) in place of clouds; with `features`, the
            simulator's own (`policy/encode.py what=state`) in place of clouds and robot states. The
            clouds of the observations are then empty.
        places: Read off the simulator where hand and object are at each step.

    Raises:
        InputError: A store is missing, unfinished, or holds other shapes or not-a-number; places
            are asked for where it has no simulator states.
    """
    stores = [EpisodeStore.open(path) for path in paths]
    where = _places(stores) if places else None
    actions = _decode(stores, "action", memory_map)
    observations: Observation[Tensor] | Encoded[Tensor]
    if observes == "features":
        state = _decode(stores, STATE_FEATURE, memory_map)
        observations = Observation(state.new_zeros(len(state), 0, 0), state)
    elif observes == "image":
        state = _decode(stores, "state", memory_map)
        pictures = torch.from_numpy(recorded_pictures(stores))
        observations = Observation(state.new_zeros(len(state), 0, 0), state, pictures)
    else:
        seen = _decode(stores, "visual_feature" if features else "point_cloud", memory_map)
        kind = Encoded if features else Observation
        observations = kind(seen, _decode(stores, "state", memory_map))
    rows, offset = [], 0
    for store in stores:
        ends = store.episode_ends
        rows.append(offset + window_rows(ends, history=history, horizon=horizon, chunk=chunk))
        offset += store.steps
    return Windows(observations, actions, torch.from_numpy(np.concatenate(rows)), history, where)


def _places(stores: Sequence[EpisodeStore]) -> Float[Tensor, "step 2 3"]:
    return torch.from_numpy(np.concatenate([movable_places(store) for store in stores]))


def _decode(
    stores: Sequence[EpisodeStore], name: str, memory_map: Path | None
) -> Float[Tensor, "step ..."]:
    """Read one array of all stores, episode by episode, and look at every number once."""
    arrays = [store.read(name, slice(0, 1)) for store in stores]
    shapes = {str(store.path): array.shape[1:] for store, array in zip(stores, arrays, strict=True)}
    if len(set(shapes.values())) > 1:
        raise InputError(f"The stores differ in the shape of data/{name}: {shapes}")
    shape = (sum(store.steps for store in stores), *arrays[0].shape[1:])
    if memory_map is not None and name == "point_cloud":
        memory_map.mkdir(parents=True, exist_ok=True)
        target: np.ndarray = np.lib.format.open_memmap(
            memory_map / f"{name}.npy", "w+", np.float32, shape
        )
    else:
        target = np.empty(shape, np.float32)
    row = 0
    for store in stores:
        for start in range(0, store.steps, 1000):
            values = store.read(name, slice(start, start + 1000))
            if not np.isfinite(values).all():
                raise InputError(f"{store.path}: data/{name} holds NaN or infinity after {start}")
            target[row : row + len(values)] = values
            row += len(values)
    return torch.from_numpy(target)
