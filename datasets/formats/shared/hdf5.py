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
PACKED = {b"\x1f\x8b": "gunzip", b"BZh": "bunzip2", b"\xfd7zXZ": "unxz", b"(\xb5/\xfd": "unzstd"}
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
        try:
            yield file
        except DAMAGE as error:
            if not _is_from_h5py(error):
                raise
            raise InputError(f"{path} is damaged: {error}; get it again") from error


def _is_from_h5py(error: BaseException) -> bool:
    """Tell whether an error began in h5py, and not in our own code."""
    if isinstance(error, InputError) or (place := error.__traceback__) is None:
        return False
    while place.tb_next is not None:
        place = place.tb_next
    return str(place.tb_frame.f_globals.get("__name__", "")).startswith("h5py")


def entries(path: Path, group: str = "/") -> list[str]:
    """Name what a group of a file holds; nothing where the file is not HDF5, or has no such group.

    Raises:
        InputError: It is HDF5, but damaged or cut off, or packed; or h5py is missing.
    """
    if not path.is_file():
        return []
    with path.open("rb") as file:
        start = file.read(len(SIGNATURE))
    for mark, unpack in PACKED.items():
        if start.startswith(mark):
            raise InputError(f"{path} is packed: unpack it first ({unpack} {path.name})")
    if start != SIGNATURE:
        return []
    with reading(path) as hdf5, _sound(hdf5, group):
        found = hdf5.get(group)
        return names(found) if hasattr(found, "keys") else []


def names(group: Any) -> list[str]:  # noqa: ANN401
    """Name the members of a group; what is no UTF-8 as Python would write it."""
    return [name if isinstance(name, str) else repr(name) for name in group]


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
        raise InputError(f"{place(group)} lacks {key}; it has {', '.join(names(group))}")
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
    found = [name for name in names(group) if name.startswith(prefix)]
    for name in found:
        if not name.removeprefix(prefix).isdecimal():
            raise InputError(
                f"{place(group, name)} has no number behind {prefix}: rename it, or leave it out"
            )
    if not found:
        raise InputError(f"{place(group)} holds no {prefix}0, {prefix}1, ...")
    return sorted(found, key=lambda name: int(name.removeprefix(prefix)))


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
        if "filter" in said or "plugin" in said:
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
