"""Which format something is in, by its content."""

from pathlib import Path
from typing import Any

import zarr

from datasets.formats.from_minari import MAIN_FILE
from datasets.formats.hdf5 import SIGNATURE, reading
from perception.errors import InputError

FORMATS = {
    "dp3": "a Zarr folder with data/point_cloud and meta/episode_ends",
    "dapg": "a pickle of demonstrations",
    "d4rl": "HDF5 with observations, actions and infos/qpos",
    "minari": "a folder with data/main_data.hdf5, or minari:<id>",
    "robomimic": "HDF5 with data/demo_0",
}
PICKLES = (b"\x80", b"(", b"]")  # How a list starts, from protocol 0 on.


def detect(path: Path) -> str:
    """Tell the format of a file or folder: one of `FORMATS`, or `store` for ours.

    Raises:
        InputError: There is nothing, or it is none of these.
    """
    if not path.exists():
        raise InputError(f"There is no {path}")
    found = _folder(path) if path.is_dir() else _file(path)
    if found is None:
        known = "; ".join(f"{name}: {what}" for name, what in FORMATS.items())
        raise InputError(f"{path} is in no format known here. Known are {known}")
    return found


def _folder(path: Path) -> str | None:
    if (path / MAIN_FILE).exists() or (path / "data" / "metadata.json").exists():
        return "minari"
    try:
        group: Any = zarr.open_group(path, mode="r")
    except (FileNotFoundError, ValueError):
        return None
    if "schema_version" in group.attrs:
        return "store"
    return "dp3" if "data" in group and "meta/episode_ends" in group else None


def _file(path: Path) -> str | None:
    with path.open("rb") as file:
        start = file.read(len(SIGNATURE))
    if start != SIGNATURE:
        return "dapg" if start.startswith(PICKLES) else None
    with reading(path) as hdf5:
        if any(name.startswith("demo_") for name in hdf5.get("data", ())):
            return "robomimic"
        return "d4rl" if {"observations", "actions"} <= set(hdf5) else None
