"""Depth images of ROS 2: raw, or as compressed_depth_image_transport packs them.

REP 118: 16UC1 is whole millimetres, 32FC1 floating point metres; 0 and what is not finite is no
depth. A packed image is a header of twelve bytes and a PNG: of 16UC1 the millimetres themselves; of
32FC1 numbers n that stand for a depth of A / (n - B) metres, A and B being in the header.
"""

import io
import struct
import warnings
from typing import Any

import numpy as np
from PIL import Image

from datasets.cameras.ros2.bag import Message
from datasets.cameras.ros2.kinds import RAW
from perception.errors import InputError

TYPES: dict[str, np.dtype] = {"16UC1": np.dtype("u2"), "32FC1": np.dtype("f4")}
HEADER = struct.Struct("<iff")
PNG = b"\x89PNG"


def is_depth(message: Message) -> bool:
    """Tell whether an image is of depth."""
    if message.kind == RAW:
        return message.body.encoding in TYPES
    return "compressedDepth" in message.body.format


def encoding_of(message: Message) -> str:
    """Name how an image is written."""
    return str(message.body.encoding if message.kind == RAW else message.body.format)


def depth_of(message: Message, size: tuple[int, int]) -> np.ndarray:
    """Read a depth image.

    Args:
        message: Of depth.
        size: (Width, height) that the camera's calibration states.

    Returns:
        (height, width), uint16 millimetres or float32 metres; 0: nothing was hit.

    Raises:
        InputError: It is damaged, of another size, or packed in a way that is not read.
    """
    values = _raw(message.body, size) if message.kind == RAW else _packed(message.body, size)
    if values.dtype.kind == "f":
        return np.where(np.isfinite(values), values, 0).astype(np.float32)
    return values.astype(np.uint16)


def _raw(body: Any, size: tuple[int, int]) -> np.ndarray:  # noqa: ANN401
    width, height = size
    _check_size((body.width, body.height), size)
    if body.encoding not in TYPES:
        raise InputError(f"an image is {body.encoding}, not {' or '.join(TYPES)}")
    dtype = TYPES[body.encoding].newbyteorder(">" if body.is_bigendian else "<")
    row = width * dtype.itemsize
    if body.step < row or len(body.data) != body.step * height:
        raise InputError(
            f"an image of {width} x {height} {body.encoding} in rows of {body.step} bytes has"
            f" {len(body.data)} bytes"
        )
    rows = np.frombuffer(body.data, np.uint8).reshape(height, body.step)
    return np.ascontiguousarray(rows[:, :row]).view(dtype)


def _packed(body: Any, size: tuple[int, int]) -> np.ndarray:  # noqa: ANN401
    encoding = body.format.partition(";")[0].strip()
    if encoding not in TYPES:
        raise InputError(f"a packed image is {body.format!r}, not {' or '.join(TYPES)}")
    if not body.data[HEADER.size :].startswith(PNG):
        raise InputError(f"a packed image ({body.format!r}) is no PNG, as the others are not read")
    _, a, b = HEADER.unpack_from(body.data)
    codes = _png(body.data[HEADER.size :], size)
    if encoding == "16UC1":
        return codes
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(codes > 0, a / (codes.astype(np.float64) - b), 0)


def _png(data: bytes, size: tuple[int, int]) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # Its size is checked.
            image = Image.open(io.BytesIO(data), formats=["PNG"])
        _check_size(image.size, size)
        codes = np.asarray(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"a packed image is damaged ({error})") from error
    if codes.ndim != 2 or codes.dtype.itemsize < 2:
        raise InputError(f"a packed image holds {codes.dtype} of {codes.shape}, not 16 bits")
    return codes


def _check_size(own: tuple[int, int], size: tuple[int, int]) -> None:
    if own != size:
        raise InputError(
            f"an image is {own[0]} x {own[1]}, and its camera_info is of {size[0]} x {size[1]}"
        )
