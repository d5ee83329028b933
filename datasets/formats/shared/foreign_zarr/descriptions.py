"""What describes other people's Zarr arrays, checked before Zarr itself sees it.

Zarr decodes by whatever codec a description names, and one of those loads pickles; it divides by
chunks of nothing and trusts any shape. Here a description that is no plain array's is refused in
words, and so is one that is no JSON.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from perception.errors import InputError

ARRAYS = (".zarray", "zarr.json")
GROUPS = (".zgroup", "zarr.json")
RESTORE = "restore that file from a copy"


def is_array(folder: Path) -> bool:
    """Tell whether a folder is described as an array; the description itself is not read."""
    return any((folder / name).is_file() for name in ARRAYS)


def read_json(file: Path) -> dict[str, Any]:
    """Read a description.

    Raises:
        InputError: It cannot be read, or is no JSON object.
    """
    try:
        said = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise InputError(f"{file} cannot be read ({reason}): {RESTORE}") from error
    if not isinstance(said, dict):
        raise InputError(f"{file} is no JSON object: {RESTORE}")
    return said


def check_group(folder: Path) -> dict[str, Any]:
    """Check what describes a group.

    Returns:
        Its attributes.

    Raises:
        InputError: The description is missing or damaged.
    """
    file = next((folder / name for name in GROUPS if (folder / name).is_file()), None)
    if file is None:
        raise InputError(
            f"{folder} has no {' or '.join(GROUPS)}, which a Zarr group has: {RESTORE}"
        )
    said = read_json(file)
    newer = file.name == "zarr.json"
    kind = said.get("node_type") if newer else "group"
    if said.get("zarr_format") != (3 if newer else 2) or kind != "group":
        raise InputError(f"{file} describes no Zarr 2 or 3 group: {RESTORE}")
    if newer:
        attributes = said.get("attributes", {})
        return attributes if isinstance(attributes, dict) else {}
    own = folder / ".zattrs"
    return read_json(own) if own.is_file() else {}


def check_array(folder: Path) -> None:
    """Check what describes an array.

    Raises:
        InputError: It is damaged, cannot be true, or would run code when read.
    """
    file = next(folder / name for name in ARRAYS if (folder / name).is_file())
    said = read_json(file)
    version = 3 if file.name == "zarr.json" else 2
    if said.get("zarr_format") != version:
        raise InputError(f"{file} describes no array of Zarr {version}: {RESTORE}")
    shape, chunks = said.get("shape"), said.get("chunks") if version == 2 else _grid(said)
    if not _sizes(shape, 0) or not _sizes(chunks, 1) or len(shape) != len(chunks):  # type: ignore[arg-type]
        raise InputError(f"{file} has shape {shape} and chunks {chunks}: {RESTORE}")
    if math.prod(shape) >= 2**62:  # type: ignore[arg-type]
        raise InputError(f"{file} has a shape of {shape}, which no disk holds: {RESTORE}")
    if loading := next((name for name in codecs_of(said) if "pickle" in name), None):
        raise InputError(
            f"{folder} is kept by the codec {loading}, which runs code: it is not read"
        )


def codecs_of(said: dict[str, Any]) -> list[str]:
    """Name the codecs that a description asks for, of either version."""
    parts = (said.get("filters"), said.get("compressor"), said.get("codecs"))
    return list(_names(parts))


def _names(value: Any) -> Iterator[str]:  # noqa: ANN401 (any JSON)
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("id", "name") and isinstance(inner, str):
                yield inner
            yield from _names(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _names(inner)


def _grid(said: dict[str, Any]) -> Any:  # noqa: ANN401 (any JSON)
    """Give the chunks that a description of Zarr 3 names."""
    grid = said.get("chunk_grid")
    inner = grid.get("configuration") if isinstance(grid, dict) else None
    return inner.get("chunk_shape") if isinstance(inner, dict) else None


def _sizes(value: Any, least: int) -> bool:  # noqa: ANN401 (any JSON)
    if not isinstance(value, list):
        return False
    return all(type(size) is int and size >= least for size in value)


def unpack_first(path: Path) -> str:
    """Say how a zip becomes a folder that can be read."""
    folder = path.with_suffix("") if path.suffix == ".zip" else path.with_suffix(".unpacked")
    how = f"python -m zipfile -e {path} {folder}"
    return f"{path} is a zip: unpack it ({how}), and give from={folder}"
