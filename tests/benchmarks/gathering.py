"""How fast training draws its windows, beside other ways of drawing the same.

DP3's way (its `ReplayBuffer` and `SequenceSampler`): all arrays in memory, a slice of each for
every window and the whole horizon, collated one by one into a batch. Indexing: NumPy's, of the
observed steps alone. Reading each window from Zarr is what a store of chunks invites one to do.
"""

import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import default_collate

from datasets.store.store import EpisodeStore
from datasets.windows import Windows, load_windows
from perception.observation import Observation
from tests.benchmarks.timing import Entry, entry, seconds

BATCH = 256
SOME = 16  # Of them, read from Zarr.
HISTORY = 2


def benchmark(data: Path) -> dict[str, list[Entry]]:
    """Measure windows a second out of memory, by processor time on one thread."""
    windows = load_windows([data], history=HISTORY, horizon=4, chunk=3)
    assert isinstance(windows.observations, Observation)
    index = torch.randint(len(windows), (BATCH,), generator=torch.Generator().manual_seed(0))
    rows, store = windows.rows[index].numpy(), EpisodeStore.open(data)
    in_memory = {
        "points": windows.observations.points.numpy(),
        "state": windows.observations.robot_state.numpy(),
        "action": windows.actions.numpy(),
    }

    def from_zarr() -> None:
        for start in rows[:SOME, 0]:
            store.read("point_cloud", slice(int(start), int(start) + HISTORY))
            store.read("action", slice(int(start), int(start) + rows.shape[1]))

    slices, indexed = "as DP3: slices out of memory, collated", "NumPy's indexing of memory"
    sides = {
        "ours": lambda: windows[index],
        slices: lambda: default_collate([_slice(in_memory, row) for row in rows]),
        indexed: lambda: _indexed(in_memory, rows),
        "reading each window from Zarr": from_zarr,
    }
    _check(windows, index, _indexed(in_memory, rows))
    times = seconds(sides, rounds=15, clock=time.process_time)
    ours = BATCH / times.pop("ours")
    return {
        "windows": [
            entry(
                f"random windows, batch {BATCH} of {HISTORY} x 512 points",
                ours=ours,
                reference=(SOME if "Zarr" in name else BATCH) / taken,
                unit="windows/s",
                reference_is=name,
            )
            for name, taken in times.items()
        ]
    }


def _slice(arrays: dict[str, np.ndarray], row: np.ndarray) -> dict[str, torch.Tensor]:
    """Cut one window out; at an episode's end its first or last step is repeated."""
    window = {}
    for name, array in arrays.items():
        part = array[row[0] : row[-1] + 1]
        if len(part) < len(row):
            part = part[row - row[0]]
        window[name] = torch.from_numpy(part.astype(np.float32))
    return window


def _indexed(arrays: dict[str, np.ndarray], rows: np.ndarray) -> dict[str, torch.Tensor]:
    wanted = {"points": rows[:, :HISTORY], "state": rows[:, :HISTORY], "action": rows}
    return {name: torch.from_numpy(arrays[name][index]) for name, index in wanted.items()}


def _check(windows: Windows, index: torch.Tensor, others: dict[str, torch.Tensor]) -> None:
    """Refuse to time what is not the same.

    Raises:
        AssertionError: It is not.
    """
    batch = windows[index]
    assert isinstance(batch.observations, Observation)
    if not torch.equal(batch.observations.points, others["points"]):
        raise AssertionError("The windows differ")
