"""HDF5 as other projects use it, with errors that name file and key."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from perception.errors import InputError

SIGNATURE = b"\x89HDF\r\n\x1a\n"


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """Open a file to read.

    Raises:
        InputError: h5py is missing, or the file is missing, damaged or cut off.
    """
    try:
        h5py = importlib.import_module("h5py")
    except ImportError as error:
        raise InputError("HDF5 needs the extra: pip install -e '.[convert]'") from error
    if not path.is_file():
        raise InputError(f"There is no file {path}")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except OSError as error:
        raise InputError(f"{path} is damaged or cut off: {error}") from error


def entries(path: Path, group: str = "/") -> list[str]:
    """Name what a group of a file holds; nothing where the file is not HDF5, or has no such group.

    Raises:
        InputError: It is HDF5, but damaged or cut off, or h5py is missing.
    """
    if not path.is_file():
        return []
    with path.open("rb") as file:
        if file.read(len(SIGNATURE)) != SIGNATURE:
            return []
    with reading(path) as hdf5:
        found = hdf5.get(group)
        return list(found) if hasattr(found, "keys") else []


def need(group: Any, key: str) -> Any:  # noqa: ANN401 (h5py has no types)
    """Give an entry of a group.

    Raises:
        InputError: There is none of that name; what there is, is listed.
    """
    if key not in group:
        raise InputError(
            f"{Path(group.file.filename).name}: {group.name} lacks {key}; it has {', '.join(group)}"
        )
    return group[key]


def rows(group: Any, key: str, part: slice = slice(None)) -> np.ndarray:  # noqa: ANN401
    """Read rows of an array.

    Raises:
        InputError: There is none of that name, or it holds no numbers.
    """
    values = np.asarray(need(group, key)[part])
    if values.dtype.kind not in "biuf":
        raise InputError(f"{Path(group.file.filename).name}: {key} holds no numbers")
    return values
