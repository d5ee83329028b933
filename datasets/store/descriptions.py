"""What describes arrays and groups on the disk: sealed by a checksum, sensible, replaced at once.

Chunks carry checksums of their own. A description (`.zarray` with `.zattrs`, or `zarr.json`) keeps
one among its attributes, over all that it says but its number of rows: that grows with every
episode, and is checked against where episodes end. Stores before schema 4 have none.
"""

import json
import math
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from perception.errors import InputError

SEAL = "description_crc32"
SEALED_SINCE = 4  # The first schema whose descriptions carry a checksum.
DESCRIPTIONS = (".zarray", "zarr.json")
LARGEST_CHUNK = 1 << 28  # Numbers in the rows of a chunk; ours hold a thousand times fewer.
NOT_READ = (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)


def read_json(file: Path) -> dict[str, Any]:
    """Read a file that holds one group of keys.

    Raises:
        ValueError: It does not.
    """
    said = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(said, dict):
        raise ValueError(f"{file.name} is no group of keys")
    return said


def checksum(values: Mapping[str, Any]) -> str:
    """Sum up values, in whatever order and with whatever spaces they are written."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return f"{zlib.crc32(text.encode()):08x}"


def array_file(folder: Path) -> Path:
    """Give the file that describes an array."""
    v2, v3 = (folder / name for name in DESCRIPTIONS)
    return v2 if v2.exists() else v3


def seal(folder: Path, **attributes: Any) -> None:  # noqa: ANN401
    """Write the checksum of an array's or a group's description into it, at once with attributes.

    Args:
        folder: The array's or the group's.
        attributes: To be said as well.
    """
    file, said = _attributes_file(folder)
    there = said["attributes"] if file.name == "zarr.json" else said
    there |= attributes
    there[SEAL] = _sum(folder, there)
    replace_files({file: json.dumps(said, indent=2).encode()})


def unsealed(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Give attributes without the checksum."""
    return {key: value for key, value in attributes.items() if key != SEAL}


def check_seal(folder: Path) -> None:
    """Compare a description with its checksum.

    Raises:
        ValueError: It is another, or there is none.
    """
    file, said = _attributes_file(folder)
    attributes = said["attributes"] if file.name == "zarr.json" else said
    if attributes.get(SEAL) != _sum(folder, attributes):
        raise ValueError("not what was written: its checksum differs")


def _attributes_file(folder: Path) -> tuple[Path, dict[str, Any]]:
    file = folder / "zarr.json"
    if not file.exists():
        file = folder / ".zattrs"
        return file, read_json(file) if file.exists() else {}
    said = read_json(file)
    said.setdefault("attributes", {})
    return file, said


def _sum(folder: Path, attributes: Mapping[str, Any]) -> str:
    """Sum up a description but for the number of rows; of a group, its attributes."""
    own = unsealed(attributes)
    file = array_file(folder)
    described = read_json(file) if file.exists() else {}
    described.pop("attributes", None)
    if "shape" in described:
        described["shape"] = described["shape"][1:]
    return checksum({"attributes": own, "described": described})


def require_sensible(folder: Path) -> None:
    """Look at the sizes that an array is said to have, before anything is made of them.

    Raises:
        ValueError: They are no sizes of an array that could be read.
    """
    said = read_json(array_file(folder))
    shape = said["shape"]
    chunks = said["chunks"] if "chunks" in said else _regular_chunks(said)
    for name, sizes, least in (("shape", shape, 0), ("chunks", chunks, 1)):
        if not isinstance(sizes, list) or not sizes or len(sizes) != len(shape):
            raise ValueError(f"{name} {sizes} is no list of sizes")
        if any(type(size) is not int or size < least for size in sizes):
            raise ValueError(f"{name} {sizes} holds what is no size")
    if max(math.prod(chunks), chunks[0] * math.prod(shape[1:])) > LARGEST_CHUNK:
        raise ValueError(f"shape {shape} in chunks {chunks} is more than fits into memory")


def _regular_chunks(said: Mapping[str, Any]) -> Any:  # noqa: ANN401
    return said["chunk_grid"]["configuration"]["chunk_shape"]


def with_rows(folder: Path, rows: int) -> dict[Path, bytes]:
    """Give the description of an array of so many rows, where it is another than that on the disk.

    The checksum, which leaves rows out, stays as it is.
    """
    file = array_file(folder)
    said = read_json(file)
    if said["shape"][0] == rows:
        return {}
    said["shape"][0] = rows
    return {file: json.dumps(said, indent=2).encode()}


def replace_files(files: Mapping[Path, bytes]) -> None:
    """Write files aside, and then rename them all, in order: only that needs no space.

    Raises:
        OSError: They cannot be written; all are as they were.
    """
    asides = {file.with_name(f".{file.name}.partial"): file for file in files}
    try:
        for aside, file in asides.items():
            aside.unlink(missing_ok=True)  # Of a writer that was killed; or a link of somebody's.
            handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            with os.fdopen(handle, "wb") as opened:
                opened.write(files[file])
        for aside, file in asides.items():
            aside.replace(file)
    finally:
        for aside in asides:
            aside.unlink(missing_ok=True)


def refuse(path: Path, name: str, error: Exception) -> InputError:
    """Say that the description of an array cannot be trusted."""
    return InputError(
        f"{path}: the description of {name} (its {' or '.join(DESCRIPTIONS)}) cannot be read"
        f" ({error}): restore that file from a copy, or make the store again"
    )


# What each array is known to hold: its dimensions, and the kinds of its numbers.
KNOWN = {
    "data/point_cloud": (3, "f"),
    "data/state": (2, "f"),
    "data/action": (2, "f"),
    "data/reward": (1, "f"),
    "data/success": (1, "b"),
    "data/sim_state": (2, "f"),
    "meta/episode_ends": (1, "iu"),
    "meta/seed": (1, "iu"),
}


def require_known(name: str, dtype: "np.dtype[Any]", dimensions: int) -> None:
    """Compare an array with what one of its name holds in every store.

    Raises:
        ValueError: It holds something else.
    """
    wanted, kinds = KNOWN.get(name, (dimensions, dtype.kind))
    if dimensions != wanted or dtype.kind not in kinds:
        raise ValueError(f"{dimensions} dimensions of {dtype} are not what {name} holds")
