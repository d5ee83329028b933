"""Single arrays, opened with care: described, sealed, of plain numbers."""

from pathlib import Path
from typing import Any, cast

import zarr

from datasets.store.chunks import CHECKSUMS, codec_names
from datasets.store.descriptions import (
    DESCRIPTIONS,
    NOT_READ,
    SEALED_SINCE,
    check_seal,
    refuse,
    require_known,
    require_sensible,
)
from perception.errors import InputError

# They turn numbers into numbers (zstd is Zarr's default); others may keep, and run, Python objects.
PLAIN_CODECS = {"blosc", "bytes", "fixedscaleoffset", "sharding_indexed", "zstd", *CHECKSUMS}


def described(folder: Path) -> bool:
    """Tell whether a folder is an array.

    Raises:
        InputError: It holds chunks, but has lost what describes them.
    """
    if any((folder / name).is_file() for name in DESCRIPTIONS):
        return True
    # A writer that was killed while it created an array leaves an empty folder behind.
    chunks = (f for f in folder.glob("*") if not f.name.startswith(".") and f.suffix != ".partial")
    if next(chunks, None) is not None:
        raise InputError(
            f"{folder} has lost its description ({' or '.join(DESCRIPTIONS)}): restore that file"
            " from a copy, or make the store again"
        )
    return False


def open_array(group: zarr.Group, name: str, path: Path) -> "zarr.Array[Any]":
    """Open an array of plain numbers.

    Args:
        group: The store's.
        name: With its folder, e.g. `data/action`.
        path: The store's folder, for messages.

    Raises:
        InputError: There is none, its description is damaged, or reading it could run code.
    """
    version: Any = group.attrs["schema_version"]
    try:
        require_sensible(path / name)
        if version >= SEALED_SINCE:
            check_seal(path / name)
        array = cast("zarr.Array[Any]", group[name])
        kind, names = array.dtype.kind, codec_names(array)
        require_known(name, array.dtype, array.ndim)
    except NOT_READ as error:
        raise refuse(path, name, error) from error
    foreign = sorted(names - PLAIN_CODECS)
    if kind not in "biuf" or foreign:
        kinds = f"codec {', '.join(foreign)}" if foreign else f"type {array.dtype}"
        raise InputError(f"{path}: {name} is not plain numbers ({kinds}) and is not read")
    return array.with_config({"write_empty_chunks": True})
