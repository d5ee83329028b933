"""Episodes of a Minari dataset, whichever of its storages holds them: HDF5, Arrow or Parquet.

    data/main_data.hdf5: episode_<i>/...        data/<i>/part-0.arrow or .parquet: a row a state

Arrow and Parquet have a row more than there are actions, in which those, rewards and ends are
padding. Source: Minari's dataset/_storages/{hdf5,arrow}_storage.py (0.5.4).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from datasets.formats.shared.exporting import extra
from datasets.formats.shared.hdf5 import folder, numbered, reading, rows, shape
from datasets.formats.shared.layouts import Shape
from perception.errors import InputError

MAIN_FILE = Path("data", "main_data.hdf5")
STORAGES = ("hdf5", "arrow", "parquet")
PADDED = ("actions", "rewards", "terminations", "truncations")


@runtime_checkable
class Parts(Protocol):
    """The arrays of one episode, by names as `infos/state/qpos`."""

    def has(self, key: str) -> bool:
        """Tell whether there is an array."""

    def shape(self, key: str) -> Shape:
        """Give the shape of an array; InputError if it is not there, or no numbers."""

    def rows(self, key: str) -> np.ndarray:
        """Read an array; InputError if it is damaged, or holds NaN."""


@runtime_checkable
class Storage(Protocol):
    """The episodes of a dataset."""

    def names(self) -> list[str]:
        """Name them, in order; InputError if there is none."""

    def parts(self, name: str) -> Parts:
        """Give one."""


@contextmanager
def opened(path: Path, kind: str) -> Iterator[Storage]:
    """Open a dataset's data.

    Args:
        path: Its folder.
        kind: One of `STORAGES`.

    Raises:
        InputError: It is missing or damaged, or the extra is.
    """
    if kind == "hdf5":
        with reading(path / MAIN_FILE) as file:
            yield _Hdf5(file)
    else:
        yield _Arrow(path / "data", kind)


@dataclass(frozen=True)
class _Hdf5:
    file: Any  # Of h5py, which has no types.

    def names(self) -> list[str]:
        return numbered(self.file, "episode_")

    def parts(self, name: str) -> Parts:
        return _Hdf5Parts(folder(self.file, name))


@dataclass(frozen=True)
class _Hdf5Parts:
    group: Any

    def has(self, key: str) -> bool:
        inside, _, name = key.rpartition("/")
        group = self.group.get(inside) if inside else self.group
        return hasattr(group, "keys") and name in group

    def shape(self, key: str) -> Shape:
        return shape(self.group, key)

    def rows(self, key: str) -> np.ndarray:
        return rows(self.group, key)


@dataclass(frozen=True)
class _Arrow:
    data: Path
    kind: str

    def names(self) -> list[str]:
        found = [one.name for one in self.data.iterdir() if one.name.isdecimal() and one.is_dir()]
        if not found:
            raise InputError(f"{self.data} holds no folder 0, 1, ... of an episode")
        return [f"episode_{name}" for name in sorted(found, key=int)]

    def parts(self, name: str) -> Parts:
        return _ArrowParts(self.data / name.removeprefix("episode_"), self.kind)


@dataclass(frozen=True)
class _ArrowParts:
    folder: Path
    kind: str

    def has(self, key: str) -> bool:
        return key in self._arrays

    def shape(self, key: str) -> Shape:
        return self._array(key).shape

    def rows(self, key: str) -> np.ndarray:
        values = self._array(key)
        if not np.isfinite(values).all():
            raise InputError(f"{self.folder}: {key} holds NaN or infinity: leave that episode out")
        return values

    def _array(self, key: str) -> np.ndarray:
        if key not in self._arrays:
            there = ", ".join(sorted(self._arrays))
            raise InputError(f"{self.folder} lacks {key}; it has {there}")
        return self._arrays[key]

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        arrow, dataset = extra("pyarrow"), extra("pyarrow.dataset")
        ignored = ["_", ".", "metadata.json"]
        try:
            table = dataset.dataset(self.folder, format=self.kind, ignore_prefixes=ignored)
            read = table.to_table().combine_chunks()
        except (arrow.ArrowException, OSError) as error:
            line = str(error).partition("\n")[0]
            raise InputError(f"{self.folder} is damaged ({line}): get it again") from error
        arrays: dict[str, np.ndarray] = {}
        for name in read.column_names:
            arrays |= _numbers(name, read[name].combine_chunks())
        return {key: a[:-1] if key in PADDED else a for key, a in arrays.items()}


def _numbers(name: str, column: Any) -> dict[str, np.ndarray]:  # noqa: ANN401 (an extra's type)
    """Give the arrays of numbers in a column, whose parts may have names of their own."""
    types, steps = extra("pyarrow.types"), len(column)
    if types.is_struct(column.type):
        found: dict[str, np.ndarray] = {}
        for field in column.type:
            found |= _numbers(f"{name}/{field.name}", column.field(field.name))
        return found
    listed = types.is_fixed_size_list(column.type) or types.is_list(column.type)
    flat = column.flatten() if listed else column
    values = flat.to_numpy(zero_copy_only=False)
    if values.dtype.kind not in "biuf" or (steps and len(values) % steps):
        return {}
    return {name: values.reshape(steps, -1) if listed else values}
