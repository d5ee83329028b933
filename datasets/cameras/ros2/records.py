"""Records of an MCAP file, read by its own library, whatever is in the file.

Every record is read, and every checksum compared, so that damage anywhere is met; the index at the
end is not trusted. No length that a file states is allocated before it is known to be there.
Source: the MCAP specification (https://mcap.dev/spec).
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar

from perception.errors import InputError, from_extra

T = TypeVar("T")

library = partial(from_extra, extra="mcap")

LARGEST_CHUNK = 1 << 30  # Bytes, unpacked; recorders write chunks of about a megabyte.


class Bounded:
    """A file that gives no more than it has, whatever it is asked for.

    Args:
        file: Open to read.
        size: Its bytes.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self.size = file, size

    def read(self, length: int) -> bytes:
        """Read so many bytes, or what there is."""
        return self._file.read(min(length, self.size))


def read_records(path: Path, file: Bounded) -> Iterator[Any]:
    """Read every record, those in chunks too."""
    streams = library("mcap.stream_reader")
    reader = streams.StreamReader(
        file, emit_chunks=True, validate_crcs=True, record_size_limit=file.size
    )
    records = reader.records
    while (record := guarded(path, lambda: next(records, None))) is not None:
        if type(record).__name__ == "Chunk":
            yield from guarded(path, lambda: _broken_up(streams, record))
        else:
            yield record


def _broken_up(streams: Any, chunk: Any) -> list[Any]:  # noqa: ANN401
    """Unpack a chunk, to no more bytes than it says, and read its records."""
    size, data = chunk.uncompressed_size, chunk.data
    if size > LARGEST_CHUNK:
        raise ValueError(f"a chunk of {size} bytes")
    if chunk.compression == "lz4":
        data = library("lz4.frame").LZ4FrameDecompressor().decompress(data, max_length=size + 1)
    elif chunk.compression == "zstd":
        zstandard = library("zstandard")
        if zstandard.frame_content_size(data) > size:
            raise ValueError("a chunk is larger than it says")
        data = zstandard.decompress(data, size)
    elif chunk.compression:
        raise ValueError(f"a chunk compressed by {chunk.compression}")
    if len(data) != size:
        raise ValueError(f"a chunk of {len(data)} bytes says that it has {size}")
    plain = replace(chunk, compression="", data=data)
    return list(streams.breakup_chunk(plain, validate_crc=True))


def guarded(path: Path, read: Callable[[], T], where: str = "") -> T:
    """Let the library read; what it cannot is the file's fault.

    Raises:
        InputError: It cannot.
    """
    faults = (
        library("mcap.exceptions").McapError,
        library("zstandard").ZstdError,
        *(ValueError, KeyError, struct.error, OverflowError, RuntimeError),
    )
    try:
        return read()
    except faults as error:
        said = str(error) or type(error).__name__
        raise InputError(damaged(path, f"{where}: {said}" if where else said)) from error


def damaged(path: Path, what: str) -> str:
    """Say that a file is damaged, and what to do."""
    return (
        f"{path} is damaged or was cut off ({what}): restore it from a copy, or save what is whole"
        " of it by `mcap recover`"
    )
