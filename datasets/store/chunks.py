"""Chunks that are read right or not at all.

Every chunk carries a checksum, over what is on the disk, and every chunk below the last row is on
the disk, so that a missing file is a loss and never a run of zeros (Zarr's own rule). Arrays
without checksums, as this project wrote before schema 3, may lack chunks of zeros.

In a store of shards a file holds many chunks, and a list of them with a checksum of its own. What
is said here of a chunk is then said of a shard: it is written whole, at once, or not at all.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from jaxtyping import Int
from zarr.codecs import ShardingCodec
from zarr.storage import MemoryStore, StorePath

CHECKSUMS = {"crc32", "crc32c"}
NO_CHUNK = (RuntimeError, ValueError, TypeError)  # What codecs raise at damaged bytes.


class DamageError(Exception):
    """A chunk is missing or is not what was written.

    Attributes:
        file: The chunk's file, below the array's folder.
        rows: What it holds of the array's first axis.
        reason: What is wrong with it.
    """

    def __init__(self, file: str, rows: range, reason: str) -> None:
        super().__init__(f"{file} {reason}")
        self.file, self.rows, self.reason = file, rows, reason


def codec_names(array: "zarr.Array[Any]") -> set[str]:
    """Name the codecs that an array's chunks pass through."""
    metadata: Any = array.metadata
    if metadata.zarr_format == 2:
        chain = [*(metadata.filters or ()), *([metadata.compressor] if metadata.compressor else [])]
        return {codec.codec_id for codec in chain}
    shards = [codec for codec in metadata.codecs if isinstance(codec, ShardingCodec)]
    chain = [*metadata.codecs, *(inner for shard in shards for inner in shard.codecs)]
    return {codec.to_dict()["name"].removeprefix("numcodecs.") for codec in chain}


def rows_per_file(array: "zarr.Array[Any]") -> int:
    """Give how many rows a file holds: those of a chunk, or of a shard of many."""
    return file_shape(array)[0]


def file_shape(array: "zarr.Array[Any]") -> tuple[int, ...]:
    """Give the shape of what one file holds."""
    return tuple(array.shards or array.chunks)


def has_checksums(array: "zarr.Array[Any]") -> bool:
    """Tell whether every chunk carries a checksum, and so has to be there."""
    return bool(codec_names(array) & CHECKSUMS)


def of_rows(array: "zarr.Array[Any]", rows: int) -> "zarr.Array[Any]":
    """See an array as one of so many rows; its description on the disk stays as it is."""
    return _moved(array, array.async_array.store_path, rows)


def encoded_chunk(array: "zarr.Array[Any]", chunk: int, rows: np.ndarray) -> dict[str, bytes]:
    """Encode the rows of a whole chunk as they would be written, by file below the array's folder.

    Args:
        array: Of one dimension.
        chunk: Its number.
        rows: As many as a chunk holds.
    """
    files: dict[str, Any] = {}
    start, stop = chunk * rows_per_file(array), (chunk + 1) * rows_per_file(array)
    _moved(array, StorePath(MemoryStore(files), ""), stop)[start:stop] = rows
    return {name: content.to_bytes() for name, content in files.items()}


def _moved(array: "zarr.Array[Any]", place: StorePath, rows: int) -> "zarr.Array[Any]":
    metadata: Any = array.metadata
    shape = (rows, *array.shape[1:])
    return zarr.Array(
        zarr.AsyncArray(metadata.update_shape(shape), place, array.async_array.config)
    )


def chunk_files(array: "zarr.Array[Any]", chunk: int) -> Iterator[str]:
    """Name the files of one chunk of rows, below the array's folder."""
    sizes = zip(array.shape[1:], file_shape(array)[1:], strict=True)
    for rest in itertools.product(*(range(-(-size // step)) for size, step in sizes)):
        yield array.metadata.encode_chunk_key((chunk, *rest))


def is_there(array: "zarr.Array[Any]", folder: Path, chunk: int) -> bool:
    """Tell whether all files of one chunk of rows exist."""
    return all((folder / file).is_file() for file in chunk_files(array, chunk))


def require_chunks(array: "zarr.Array[Any]", folder: Path, start: int, stop: int) -> None:
    """Check that the chunks of some rows exist, without reading them.

    Raises:
        DamageError: One is missing or empty.
    """
    if not has_checksums(array):
        return
    for chunk in _chunks(array, start, stop):
        for file in chunk_files(array, chunk):
            place = folder / file
            if not place.is_file():
                raise DamageError(file, _rows(array, chunk), "is missing")
            if not place.stat().st_size:  # Zarr would take an empty shard for one of zeros.
                raise DamageError(file, _rows(array, chunk), "is empty")


def read_rows(array: "zarr.Array[Any]", folder: Path, start: int, stop: int) -> np.ndarray:
    """Read rows of an array.

    Args:
        array: Of any dimensions.
        folder: Where it is kept.
        start: First row.
        stop: Behind the last row.

    Raises:
        DamageError: A chunk is missing, or is not what was written.
    """
    require_chunks(array, folder, start, stop)
    try:
        return np.asarray(array[start:stop])
    except NO_CHUNK as error:
        raise _find_damage(array, _chunks(array, start, stop)) or error from error


def _find_damage(array: "zarr.Array[Any]", chunks: range) -> DamageError | None:
    for chunk in chunks:
        rows = _rows(array, chunk)
        try:
            array[rows.start : rows.stop]
        except NO_CHUNK:
            return DamageError(next(chunk_files(array, chunk)), rows, "is not what was written")
    return None


def chunks_of(array: "zarr.Array[Any]") -> range:
    """Number the chunks that an array's length asks for."""
    return _chunks(array, 0, array.shape[0])


def _chunks(array: "zarr.Array[Any]", start: int, stop: int) -> range:
    step = rows_per_file(array)
    return range(start // step, -(-stop // step))


def _rows(array: "zarr.Array[Any]", chunk: int) -> range:
    step = rows_per_file(array)
    return range(chunk * step, min((chunk + 1) * step, array.shape[0]))


def explain(damage: DamageError, path: Path, name: str, ends: Int[np.ndarray, " episode"]) -> str:
    """Say in one line what is lost and what to do.

    Args:
        damage: Where, and what is wrong.
        path: The store's folder.
        name: The array's name with its folder.
        ends: Where episodes end, exclusive; empty where that itself is lost.
    """
    drawn = name.startswith(("data/point_cloud", "data/img", "data/depth"))
    again = f"draw it again (datasets/render.py data={path} out=...)" if drawn else "make it again"
    lost = f"{name} of {_episodes(damage.rows, name, ends)}" if len(ends) else "where episodes end"
    return (
        f"{path}: {name}/{damage.file} {damage.reason}, so that {lost} is lost:"
        f" restore that file from a copy, or {again}"
    )


def _episodes(rows: range, name: str, ends: Int[np.ndarray, " episode"]) -> str:
    first, last = rows.start, rows.stop - 1
    if name.startswith("data/"):  # Its rows are steps; those of `meta` are episodes.
        first, last = (int(np.searchsorted(ends, row, side="right")) for row in (first, last))
    last = min(last, len(ends) - 1)
    lost = f"episode {first}" if first == last else f"episodes {first} to {last}"
    return f"{lost} (0 to {len(ends) - 1} are there)"
