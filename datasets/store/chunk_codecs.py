"""How arrays are written to disk: compression, checksums, and positions as 16-bit integers."""

import math
from dataclasses import dataclass
from typing import Any, cast

import numcodecs
import numpy as np
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.codecs.numcodecs import FixedScaleOffset

from perception.errors import InputError

INT16_MAX = 32767
BLOSC = {"cname": "zstd", "clevel": 1, "blocksize": 1 << 20}  # Large blocks: clouds repeat.


@dataclass(frozen=True)
class StoreFormat:
    """How a store is written.

    Attributes:
        zarr_format: 2 (DP3's and Diffusion Policy's own loaders need it) or 3.
        error_mm: Largest error of stored positions in millimetres; 0 keeps float32.
        shards: Chunks of an array of steps in one file, of format 3; None: a file for each.
    """

    zarr_format: int
    error_mm: float
    shards: int | None = None

    @property
    def described(self) -> dict[str, Any]:
        """What a store says of it."""
        shards = {} if self.shards is None else {"shards": self.shards}
        return {"zarr_format": self.zarr_format, "error_mm": self.error_mm, **shards}


def codecs(values: np.ndarray, error_mm: float, zarr_format: int) -> dict[str, Any]:
    """Choose `filters` and `compressors` of an array; last comes a checksum of what is on the disk.

    Args:
        values: Of its kind and size.
        error_mm: Largest error of positions kept as 16-bit integers; 0 keeps numbers as they are.
        zarr_format: 2 or 3; their codecs are other objects of one meaning. Format 2 knows one
            compressor only, but any number of filters: there, all are filters.

    Raises:
        InputError: Positions lie too far out for 16 bits at that error.
    """
    shuffle = 1 if values.dtype.itemsize > 1 else 0
    scale = _scale(values, error_mm) if error_mm else None
    quantised = {"offset": 0, "scale": scale, "dtype": "<f4", "astype": "<i2"}
    if zarr_format == 2:
        quantise = [numcodecs.FixedScaleOffset(**quantised)] if scale else []
        chain = [*quantise, numcodecs.Blosc(shuffle=shuffle, **BLOSC), numcodecs.CRC32()]
        return {"filters": chain, "compressors": None}
    size = 2 if scale else values.dtype.itemsize
    mode = cast(Any, ("noshuffle", "shuffle")[shuffle])
    compressor = BloscCodec(typesize=size, shuffle=mode, **cast(Any, BLOSC))
    quantise = [FixedScaleOffset(**quantised)] if scale else []
    return {"filters": quantise, "compressors": [compressor, Crc32cCodec()]}


def _scale(values: np.ndarray, error_mm: float) -> int:
    scale = math.ceil(1000 / (2 * error_mm))  # Whole, so that a colour of 1 stays 1.
    if np.abs(values).max() * scale > INT16_MAX:
        raise InputError(f"Points beyond {INT16_MAX / scale:.1f} m need error_mm=0")
    return scale
