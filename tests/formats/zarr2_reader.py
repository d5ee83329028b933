"""Reads a store as DP3's ReplayBuffer does; run by a Python that has zarr 2 and not this project.

python zarr2_reader.py STORE FOLDER: every array in FOLDER (`data-state.npy`) must be in the store.
"""

import sys
from pathlib import Path

import numpy as np
import zarr

if __name__ == "__main__":
    store, values = Path(sys.argv[1]), Path(sys.argv[2])
    assert zarr.__version__.startswith("2."), zarr.__version__
    root = zarr.group(zarr.open(str(store), "r").store)
    meta = {key: array[:] for key, array in root["meta"].items()}
    data = {key: array[:] for key, array in root["data"].items()}
    memory = zarr.MemoryStore()
    zarr.copy_store(root.store, memory, source_path="/data", dest_path="/data")
    for key, array in data.items():
        assert array.shape[0] == meta["episode_ends"][-1], key
        assert np.array_equal(zarr.group(memory)["data"][key][:], array), key
    expected = sorted(values.glob("*.npy"))
    assert expected
    for path in expected:
        folder, _, key = path.stem.partition("-")
        array, wanted = {"data": data, "meta": meta}[folder][key], np.load(path, allow_pickle=False)
        assert array.dtype == wanted.dtype, (key, array.dtype, wanted.dtype)
        assert np.array_equal(array, wanted), key
