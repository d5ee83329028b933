"""HDF5 as other projects use it, with errors that name file, array and what to do."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np

from perception.errors import InputError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
# What h5py raises for damage, depending on where it sits.
DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError)


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
        file = h5py.File(path, "r")
    except OSError as error:
        raise InputError(f"{path} is damaged or cut off: {error}; get it again") from error
    with file:
        yield file


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
    with reading(path) as hdf5, _sound(hdf5, group):
        found = hdf5.get(group)
        return list(found) if hasattr(found, "keys") else []


def need(group: Any, key: str) -> Any:  # noqa: ANN401 (h5py has no types)
    """Give an entry of a group.

    Raises:
        InputError: There is none of that name (what there is, is listed), it is a link to what is
            not there, or the file is damaged.
    """
    with _sound(group, key):
        found, link = group.get(key), group.get(key, getlink=True)
    if found is None and hasattr(link, "path"):
        aim = f"{getattr(link, 'filename', '')}{link.path}"
        raise InputError(
            f"{place(group, key)} is a link to {aim}, which is not there: restore that first"
        )
    if found is None:
        raise InputError(f"{place(group)} lacks {key}; it has {', '.join(group)}")
    return found


def folder(group: Any, key: str) -> Any:  # noqa: ANN401
    """Give a group of a group.

    Raises:
        InputError: It is not there, or an array.
    """
    found = need(group, key)
    if not hasattr(found, "keys"):
        raise InputError(f"{place(group, key)} is an array; a group of arrays is expected")
    return found


def numbered(group: Any, prefix: str) -> list[str]:  # noqa: ANN401
    """Name the members `<prefix>0`, `<prefix>1`, ... in the order of their numbers.

    Raises:
        InputError: There is none, or one has no number.
    """
    names = [name for name in group if name.startswith(prefix)]
    for name in names:
        if not name.removeprefix(prefix).isdecimal():
            raise InputError(
                f"{place(group, name)} has no number behind {prefix}: rename it, or leave it out"
            )
    if not names:
        raise InputError(f"{place(group)} holds no {prefix}0, {prefix}1, ...")
    return sorted(names, key=lambda name: int(name.removeprefix(prefix)))


def shape(group: Any, key: str) -> tuple[int, ...]:  # noqa: ANN401
    """Give the shape of an array of numbers; none of them is read.

    Raises:
        InputError: It is not there, a group, no numbers, a single number, or was written in part
            only.
    """
    array, where = need(group, key), place(group, key)
    with _sound(group, key):
        size, kind = getattr(array, "shape", None), getattr(array, "dtype", None)
    if size is None or kind is None:
        raise InputError(f"{where} is a group; an array is expected")
    if kind.kind not in "biuf":
        raise InputError(f"{where} holds no numbers, but {kind}")
    if not size:
        raise InputError(f"{where} is a single number; an array with a row a step is expected")
    with _sound(group, key):
        _require_written(array, where)
    return tuple(map(int, size))


def rows(group: Any, key: str, part: slice = slice(None)) -> np.ndarray:  # noqa: ANN401
    """Read rows of an array.

    Raises:
        InputError: As `shape`; or it is damaged, its compression is not known here, or a number is
            NaN or infinite.
    """
    shape(group, key)
    with _sound(group, key):
        values = np.asarray(group[key][part])
    if not (finite := np.isfinite(values)).all():
        step = int(np.argmin(finite.reshape(len(values), -1).all(axis=1))) + (part.start or 0)
        raise InputError(
            f"{place(group, key)} holds NaN or infinity at step {step}: mend it, or leave that"
            " episode out"
        )
    return values


def place(group: Any, key: str = "") -> str:  # noqa: ANN401
    """Name a group, or a member of it, with its file."""
    inside = f"{group.name.rstrip('/')}/{key}".strip("/")
    name = Path(group.file.filename).name
    return f"{name}: {inside}" if inside else name


@contextmanager
def _sound(group: Any, key: str) -> Iterator[None]:  # noqa: ANN401
    """Say where a file is damaged, or which compression is missing."""
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{place(group, key)} does not fit into memory: {error}") from error
    except DAMAGE as error:
        said = str(error).strip("'\"")
        if "filter" in said:
            raise InputError(
                f"{place(group, key)} is compressed in a way that h5py does not know here ({said}):"
                " write it again with gzip (h5repack -f GZIP=4)"
            ) from error
        raise InputError(f"{place(group, key)} is damaged: {said}") from error


def _require_written(array: Any, where: str) -> None:  # noqa: ANN401
    """Refuse an array of which a part was never written: HDF5 would give zeros for it.

    Raises:
        InputError: A chunk, or all of it, is absent.
    """
    if array.is_virtual or array.external or not prod(array.shape):
        return
    if array.chunks is None:
        written, whole = int(array.id.get_storage_size() > 0), 1
    else:
        pairs = zip(array.shape, array.chunks, strict=True)
        written, whole = array.id.get_num_chunks(), prod(ceil(n / size) for n, size in pairs)
    if written < whole:
        raise InputError(
            f"{where} was written in part only ({written} of {whole} chunks are there), and the"
            " rest would be zeros: get the file again"
        )
