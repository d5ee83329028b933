"""Windows as a dataset of Torch: the trainer's and DP3's, in other processes, and off the disk."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, SequentialSampler

from datasets.collection.window_dataset import WindowDataset
from datasets.windows import load_windows
from perception.errors import InputError
from perception.observation import Observation
from tests.helpers.made_up import episode, write

PLAN: dict[str, Any] = {"history": 2, "horizon": 4, "chunk": 3}


@pytest.fixture
def stores(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "a.zarr", tmp_path / "b.zarr"]
    write(paths[0], episode(12, 0), episode(9, 1))
    write(paths[1], episode(7, 2))
    return paths


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    names = ("point_cloud", "agent_pos")
    same = all(torch.equal(one["obs"][name], other["obs"][name]) for name in names)
    return same and torch.equal(one["action"], other["action"])


def test_items_are_the_windows_that_the_trainer_sees(stores: list[Path]) -> None:
    dataset, windows = WindowDataset(stores, **PLAN), load_windows(stores, **PLAN)
    assert len(dataset) == len(windows)
    for index in range(len(dataset)):
        batch, window = windows[torch.tensor([index])], dataset[index]
        assert isinstance(batch.observations, Observation)
        assert torch.equal(window["obs"]["point_cloud"], batch.observations.points[0])
        assert torch.equal(window["obs"]["agent_pos"], batch.observations.robot_state[0])
        assert torch.equal(window["action"], batch.actions[0])


def test_items_can_hold_the_whole_window_as_dp3s_sampler_gives_it(stores: list[Path]) -> None:
    window = WindowDataset(stores, **PLAN, observed=4)[0]
    points = episode(12, 0).points[[0, 0, 1, 2]]  # The first step stands for the one before it.
    np.testing.assert_array_equal(window["obs"]["point_cloud"], points)


@pytest.mark.parametrize("cached", [False, True])
def test_workers_give_what_one_process_gives(
    stores: list[Path], tmp_path: Path, *, cached: bool
) -> None:
    dataset = WindowDataset(stores, **PLAN, cache=tmp_path / "cache" if cached else None)
    here = DataLoader(dataset, batch_size=8)
    there = DataLoader(dataset, batch_size=8, num_workers=2)
    assert all(equal(one, other) for one, other in zip(here, there, strict=True))
    sampler = BatchSampler(SequentialSampler(dataset), 8, drop_last=False)
    at_once = DataLoader(dataset, sampler=sampler, batch_size=None)
    assert all(equal(one, other) for one, other in zip(here, at_once, strict=True))


def test_processes_that_start_anew_are_sent_no_data_and_open_the_stores(stores: list[Path]) -> None:
    dataset = WindowDataset(stores, **PLAN)
    sent = pickle.dumps(dataset)
    assert len(sent) < 2000
    assert equal(pickle.loads(sent)[5], dataset[5])


def test_a_cache_is_filled_once_and_again_when_a_store_has_changed(
    stores: list[Path], tmp_path: Path
) -> None:
    file = tmp_path / "cache" / "point_cloud.npy"
    first = WindowDataset(stores, **PLAN, cache=tmp_path / "cache")
    written = file.stat().st_mtime_ns
    assert equal(first[3], WindowDataset(stores, **PLAN)[3])
    WindowDataset(stores, **PLAN, cache=tmp_path / "cache")
    assert file.stat().st_mtime_ns == written
    write(stores[1], episode(6, 3))  # Goes on with the store: the same command, more episodes.
    grown = WindowDataset(stores, **PLAN, cache=tmp_path / "cache")
    assert len(grown) == len(first) + 6
    assert equal(grown[len(grown) - 1], WindowDataset(stores, **PLAN)[len(grown) - 1])


def test_what_is_wrong_is_said_where_the_dataset_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no store"):
        WindowDataset([tmp_path / "none.zarr"], **PLAN)
    spoilt = episode(12)
    spoilt.points[7, 0] = np.nan
    write(tmp_path / "s.zarr", spoilt)
    with pytest.raises(InputError, match="NaN"):
        WindowDataset([tmp_path / "s.zarr"], **PLAN, cache=tmp_path / "cache")
    assert not (tmp_path / "cache" / "point_cloud.npy").exists()
