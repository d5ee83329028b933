"""Pictures as a video."""

from pathlib import Path

import imageio_ffmpeg  # type: ignore[import-untyped]
import numpy as np
from jaxtyping import UInt8

from perception.errors import InputError


def write_video(
    pictures: UInt8[np.ndarray, "frame height width 3"], path: Path, frames_per_second: float
) -> None:
    """Write pictures as an MP4 (H.264) that every browser plays.

    Raises:
        InputError: The width or the height is odd.
    """
    height, width = pictures.shape[1:3]
    if height % 2 or width % 2:
        raise InputError(f"H.264 needs an even width and height, not {width} x {height}")
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = imageio_ffmpeg.write_frames(
        path,
        (width, height),
        fps=frames_per_second,
        codec="libx264",
        macro_block_size=2,
        output_params=["-crf", "20", "-movflags", "+faststart"],
    )
    writer.send(None)
    for picture in pictures:
        writer.send(np.ascontiguousarray(picture))
    writer.close()
