"""What robomimic's critics ask of a file; and robomimic itself, where it is installed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from datasets.formats import to_robomimic
from tests.formats.in_hdf5.test_robomimic_and_back import written

h5py: Any = pytest.importorskip("h5py")


def test_every_transition_is_one_that_critics_learn_from(tmp_path: Path) -> None:
    store = written(tmp_path / "s.zarr", terminals=True)
    to_robomimic.write(store, tmp_path / "out.hdf5")
    with h5py.File(tmp_path / "out.hdf5") as file:
        for index in range(store.episodes):
            demo, steps = file[f"data/demo_{index}"], store.rows(index)
            for key in ("rewards", "dones"):  # One number a step: IQL adds the axis of its own.
                assert demo[key].shape == (steps.stop - steps.start,)
            np.testing.assert_array_equal(demo["rewards"], store.read("reward", steps))
            np.testing.assert_array_equal(demo["dones"], store.read("terminal", steps))
            assert demo["next_obs"].keys() == demo["obs"].keys()
            for key, now in demo["obs"].items():
                later = demo[f"next_obs/{key}"]
                assert (later.shape, later.dtype) == (now.shape, now.dtype)
                np.testing.assert_array_equal(later[:-1], now[1:])


def test_robomimics_iql_trains_on_it(tmp_path: Path) -> None:
    pytest.importorskip("robomimic")
    from robomimic.algo import algo_factory  # noqa: PLC0415
    from robomimic.config import config_factory  # noqa: PLC0415
    from robomimic.utils import obs_utils  # noqa: PLC0415
    from robomimic.utils.dataset import SequenceDataset  # noqa: PLC0415

    store = written(tmp_path / "s.zarr", terminals=True)
    to_robomimic.write(store, tmp_path / "out.hdf5")
    config = config_factory("iql")
    with config.values_unlocked():
        config.observation.modalities.obs.low_dim = ["state"]
    obs_utils.initialize_obs_utils_with_config(config)
    data = SequenceDataset(
        str(tmp_path / "out.hdf5"),
        obs_keys=["state"],
        dataset_keys=["actions", "rewards", "dones"],
        hdf5_cache_mode="all",
        load_next_obs=True,
        filter_by_attribute="train",
    )
    sizes = {"state": [store.read("state", slice(0, 1)).shape[1]]}
    iql = algo_factory("iql", config, sizes, ac_dim=28, device=torch.device("cpu"))
    iql.set_train()
    batch = iql.process_batch_for_training(next(iter(DataLoader(data, batch_size=16))))
    said = iql.log_info(iql.train_on_batch(batch, epoch=0))
    assert np.isfinite(list(said.values())).all()
