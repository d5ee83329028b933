"""How fast a `DataLoader` of Torch gives windows: of `WindowDataset`, beside DP3's way.

DP3's way (its `SequenceSampler` and dataset): NumPy arrays in memory, for every window a slice of
each over the whole horizon, filled up at an episode's ends, made float32 and a tensor, collated.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler

from datasets.collection.window_dataset import WindowDataset
from datasets.windows import load_windows
from perception.observation import Observation
from tests.benchmarks.timing import Entry, entry, seconds

BATCH, BATCHES, WORKERS = 256, 20, 2
HISTORY, HORIZON, CHUNK = 2, 4, 3
PLAN: dict[str, Any] = {"history": HISTORY, "horizon": HORIZON, "chunk": CHUNK}


class AsDP3(Dataset[dict[str, Any]]):
    """Windows as DP3 cuts them out of arrays in memory."""

    def __init__(self, data: Path) -> None:
        windows = load_windows([data], **PLAN)
        assert isinstance(windows.observations, Observation)
        self._rows = windows.rows.numpy()
        self._arrays = {
            "point_cloud": windows.observations.points.numpy(),
            "state": windows.observations.robot_state.numpy(),
            "action": windows.actions.numpy(),
        }

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        rows = self._rows[index]
        found = {name: self._sequence(values, rows) for name, values in self._arrays.items()}
        seen = {"point_cloud": found["point_cloud"], "agent_pos": found["state"]}
        told = {name: torch.from_numpy(values.astype(np.float32)) for name, values in seen.items()}
        return {"obs": told, "action": torch.from_numpy(found["action"].astype(np.float32))}

    @staticmethod
    def _sequence(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        part = values[rows[0] : rows[-1] + 1]
        if len(part) == len(rows):
            return part
        filled = np.zeros((len(rows), *values.shape[1:]), values.dtype)
        first = int((rows == rows[0]).sum()) - 1 if rows[0] == rows[1] else 0
        filled[:first], filled[first + len(part) :] = part[0], part[-1]
        filled[first : first + len(part)] = part
        return filled


def benchmark(folder: Path, data: Path) -> dict[str, list[Entry]]:
    """Measure windows a second of whole loaders, wall time, two workers each."""
    whole = WindowDataset([data], **PLAN, observed=HORIZON)
    mapped = WindowDataset([data], **PLAN, observed=HORIZON, cache=folder / "decoded")
    needed = WindowDataset([data], **PLAN)
    _check(AsDP3(data), whole)
    loaders = {
        "as DP3": _one_by_one(AsDP3(data)),
        f"all {HORIZON} steps observed": _one_by_one(whole),
        f"all {HORIZON} steps observed, off a memory map": _one_by_one(mapped),
        f"{HISTORY} steps observed": _one_by_one(needed),
        f"{HISTORY} steps observed, drawn by the batch": _by_the_batch(needed),
    }
    times = seconds({name: _consumed(loader) for name, loader in loaders.items()}, rounds=7)
    rates = {name: BATCH * BATCHES / taken for name, taken in times.items()}
    reference = rates.pop("as DP3")
    return {
        "dataloader": [
            entry(
                f"DataLoader, {WORKERS} workers, batch {BATCH} of 512 points: {name}",
                ours=rate,
                reference=reference,
                unit="windows/s",
                reference_is=f"as DP3: {HORIZON} steps sliced out of memory one by one",
            )
            for name, rate in rates.items()
        ]
    }


def _check(reference: AsDP3, ours: WindowDataset) -> None:
    """Refuse to time what is not the same.

    Raises:
        AssertionError: It is not.
    """
    for index in range(0, len(ours), 7):
        one, other = reference[index], ours[index]
        same = torch.equal(one["obs"]["point_cloud"], other["obs"]["point_cloud"])
        if not same or not torch.equal(one["action"], other["action"]):
            raise AssertionError("The windows differ")


def _drawn(dataset: Any) -> RandomSampler:  # noqa: ANN401
    return RandomSampler(dataset, replacement=True, num_samples=BATCH * BATCHES)


def _one_by_one(dataset: Any) -> DataLoader[Any]:  # noqa: ANN401
    return DataLoader(
        dataset, BATCH, sampler=_drawn(dataset), num_workers=WORKERS, persistent_workers=True
    )


def _by_the_batch(dataset: Any) -> DataLoader[Any]:  # noqa: ANN401
    batches = BatchSampler(_drawn(dataset), BATCH, drop_last=False)
    return DataLoader(
        dataset, batch_size=None, sampler=batches, num_workers=WORKERS, persistent_workers=True
    )


def _consumed(loader: DataLoader[Any]) -> Any:  # noqa: ANN401
    def consume() -> None:
        for batch in loader:
            batch["action"].sum()

    return consume
