"""The windows of stores as a map-style dataset of Torch, for training loops of one's own.

    dataset = WindowDataset(["data/adroit-door.zarr"], history=2, horizon=4, chunk=3)
    DataLoader(dataset, batch_size=256, shuffle=True, num_workers=2)

An item is what DP3's sampler returns, the names included: `obs` with `point_cloud` and `agent_pos`
of the observed steps, and the `action` of all; which windows there are: see `datasets.windows`.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from datasets.store.decoding import decode
from datasets.store.store import EpisodeStore
from datasets.windows import window_rows

NAMES = {"point_cloud": "point_cloud", "state": "agent_pos", "action": "action"}
READ = ("_stores", "_rows", "_arrays")  # What every process reads by itself.
Window = dict[str, Any]  # {"obs": {"point_cloud": ..., "agent_pos": ...}, "action": ...}


class WindowDataset(Dataset[Window]):
    """Windows by number; by a list of numbers, a whole batch of them in one piece.

    Processes get the arguments and nothing else: each opens what it reads by itself. Forked ones
    (Linux) share what was read before; so do all with `cache`, whose file the system keeps once.

    Args:
        paths: Stores of tasks with one robot (their shapes must agree).
        history: Observed steps, T_o.
        horizon: Steps of a window, T_p.
        chunk: Executed steps, T_a: a window ends up to `chunk - 1` steps after its episode.
        observed: Steps whose observations are given; None: `history`. DP3's sampler gives those of
            all, `horizon`.
        cache: A folder for the decoded arrays, which are then mapped and not held in memory: for
            stores larger than it. It is filled once, and again when a store has changed.

    Raises:
        InputError: A store is missing, unfinished, has no clouds, or differs from the others in
            shape; a number is not finite.
    """

    def __init__(
        self,
        paths: Sequence[Path | str],
        *,
        history: int,
        horizon: int,
        chunk: int,
        observed: int | None = None,
        cache: Path | str | None = None,
    ) -> None:
        self._paths = tuple(map(Path, paths))
        self._plan = {"history": history, "horizon": horizon, "chunk": chunk}
        self._observed = history if observed is None else observed
        self._cache = None if cache is None else Path(cache)
        len(self)  # What is wrong with a store is said here, and not by a worker.
        _ = self._arrays

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | Sequence[int]) -> Window:
        """Give a window, or with a list (`batch_size=None`) a batch with a leading axis."""
        rows = self._rows[index]
        if rows.dim() == 1:
            return self._window(rows)
        return self._told(
            {
                name: values.index_select(0, taken.flatten()).unflatten(0, taken.shape)
                for name, values, taken in self._parts(rows)
            }
        )

    def __getstate__(self) -> dict[str, Any]:
        """Give what another process needs: no data."""
        return {k: value for k, value in vars(self).items() if k not in READ}

    def _window(self, rows: Tensor) -> Window:
        """Give one window; within its episode it is a view of the data, not copied here."""
        first, last = int(rows[0]), int(rows[-1])
        whole = last - first == len(rows) - 1
        return self._told(
            {
                name: values[first : first + len(taken)] if whole else values[taken]
                for name, values, taken in self._parts(rows)
            }
        )

    def _parts(self, rows: Tensor) -> list[tuple[str, Tensor, Tensor]]:
        """List the arrays with the steps that are taken of each."""
        seen = rows[..., : self._observed]
        return [(n, v, rows if n == "action" else seen) for n, v in self._arrays.items()]

    @staticmethod
    def _told(parts: dict[str, Tensor]) -> Window:
        told = {NAMES[name]: values for name, values in parts.items()}
        return {"obs": {k: told[k] for k in ("point_cloud", "agent_pos")}, "action": told["action"]}

    @cached_property
    def _stores(self) -> list[EpisodeStore]:
        return [EpisodeStore.open(path) for path in self._paths]

    @cached_property
    def _rows(self) -> Tensor:
        rows, offset = [], 0
        for store in self._stores:
            rows.append(offset + window_rows(store.episode_ends, **self._plan))
            offset += store.steps
        return torch.from_numpy(np.concatenate(rows))

    @cached_property
    def _arrays(self) -> dict[str, Tensor]:
        return {name: decode(self._stores, name, self._cache) for name in NAMES}
