"""Frames out of the videos and image files of a LeRobot dataset, exactly as many as there must be.

Decoded by the ffmpeg that imageio brings. A file is read as MP4 whatever it holds, so that one that
is a playlist of other files is refused.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg  # type: ignore[import-untyped]
import numpy as np
from jaxtyping import Float32
from PIL import Image

from perception.errors import InputError
from visualizer.video import ffmpeg

RGB, DEPTH = "rgb24", "gray12le"
KINDS: dict[str, tuple[np.dtype[Any], int]] = {  # The type of a number, and numbers of a pixel.
    RGB: (np.dtype(np.uint8), 3),
    DEPTH: (np.dtype("<u2"), 1),
}
BROKEN = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def film_frames(path: Path, start_s: float, rate: float, count: int, kind: str) -> np.ndarray:
    """Decode consecutive frames of a video.

    Args:
        path: An MP4 file.
        start_s: When the first of them is shown, in seconds.
        rate: Frames a second.
        count: How many.
        kind: `rgb24`, or `gray12le` for depth.

    Returns:
        (frame, height, width, channel), without the last axis for depth.

    Raises:
        InputError: The file is missing or damaged, or ends before; or there is no ffmpeg.
    """
    if not path.is_file():
        raise InputError(f"There is no {path}, which the dataset names: restore it from a copy")
    ffmpeg()  # Else what follows would blame the file.
    dtype, channels = KINDS[kind]
    seek = f"{max(start_s - 0.5 / rate, 0):.6f}"  # Half a frame before: times are rounded.
    reader = imageio_ffmpeg.read_frames(
        path,
        pix_fmt=kind,
        bits_per_pixel=8 * dtype.itemsize * channels,
        input_params=["-f", "mov", "-ss", seek],
        output_params=["-fps_mode", "passthrough", "-frames:v", str(count)],
    )
    try:
        width, height = next(reader)["size"]
        raw = list(reader)
    except (OSError, RuntimeError, StopIteration) as error:
        raise InputError(f"{path} is damaged, or no MP4: restore it from a copy") from error
    finally:
        reader.close()
    if len(raw) != count:
        raise InputError(f"{path} has {len(raw)} of {count} frames from {start_s:.3f} s on")
    frames = np.frombuffer(b"".join(raw), dtype).reshape(count, height, width, channels)
    return frames if kind == RGB else frames[..., 0]


def image_frames(column: Any, root: Path, where: str) -> Iterator[Image.Image]:  # noqa: ANN401
    """Open the image of each frame: kept in the table itself, or as a file beside it.

    Args:
        column: Arrow's column of {bytes, path}.
        root: The dataset's folder, which paths are relative to.
        where: Whose images, for errors.

    Raises:
        InputError: One is missing or damaged, or lies outside of the dataset.
    """
    for step, said in enumerate(column.to_pylist()):
        place = f"{where}, frame {step}"
        if not isinstance(said, dict):
            raise InputError(f"{place}: {said!r} is no image")
        try:
            image = Image.open(_opened(said, root, place))
            image.load()
        except BROKEN as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{place}: the image is damaged ({error}): restore it") from error
        yield image


def _opened(said: dict[str, Any], root: Path, place: str) -> io.BytesIO | Path:
    """Give the bytes of an image, or the file that has them."""
    if isinstance(said.get("bytes"), bytes):
        return io.BytesIO(said["bytes"])
    path = (root / str(said.get("path"))).resolve()
    if not path.is_relative_to(root.resolve()) or not path.is_file():
        raise InputError(f"{place}: there is no image {said.get('path')} in the dataset")
    return path


def as_tiff(depth: Float32[np.ndarray, "height width"]) -> dict[str, Any]:
    """Give a depth image as LeRobot keeps one without loss: a TIFF of floating point numbers."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(depth, np.float32)).save(file, "TIFF", compression="raw")
    return {"bytes": file.getvalue(), "path": None}
