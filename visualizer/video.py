"""Pictures as a video."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg  # type: ignore[import-untyped]
import numpy as np
from jaxtyping import UInt8

from perception.errors import InputError

FRAMES = re.compile(rb"frame=\s*(\d+)")
ENCODING = ("-crf", "20", "-movflags", "+faststart")


class NoFfmpegError(InputError):
    """There is nothing that could write videos."""


def ffmpeg() -> str:
    """Give the program that writes videos: imageio-ffmpeg brings one for most machines.

    Raises:
        NoFfmpegError: There is none.
    """
    try:
        program = shutil.which(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:  # It brings none, and none is installed.
        program = None
    if program is None:
        raise NoFfmpegError(
            "no ffmpeg on this machine, and videos need it: install one, and say where it is by"
            " IMAGEIO_FFMPEG_EXE=PATH"
        )
    return str(program)


class VideoFile:
    """An MP4 (H.264) that is written picture by picture, and counted again when it is done.

    Args:
        path: The file; its folder exists.
        size: Width and height in pixels, both even.
        frames_per_second: Of the video.
        encoding: Further options of ffmpeg.

    Raises:
        InputError: The width or the height is odd, or there is no ffmpeg.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        frames_per_second: float,
        encoding: Sequence[str] = ENCODING,
    ) -> None:
        width, height = size
        if height % 2 or width % 2:
            raise InputError(f"H.264 needs an even width and height, not {width} x {height}")
        ffmpeg()
        self._path, self._frames, self._whole = path, 0, True
        self._writer = imageio_ffmpeg.write_frames(
            path,
            size,
            fps=frames_per_second,
            codec="libx264",
            macro_block_size=2,
            output_params=list(encoding),
        )
        self._writer.send(None)

    def write(self, picture: UInt8[np.ndarray, "height width 3"]) -> None:
        """Write the next picture.

        Raises:
            InputError: ffmpeg has ended, as it does where the disk is full.
        """
        try:
            self._writer.send(np.ascontiguousarray(picture))
        except OSError as error:  # It says the command and all that ffmpeg said.
            self._whole = False
            raise self._lost() from error
        self._frames += 1

    def close(self) -> None:
        """Finish the file.

        Raises:
            InputError: It does not hold all pictures: ffmpeg says so by its exit code alone.
        """
        self._writer.close()
        if self._whole and self._frames and frames_in(self._path) != self._frames:
            self._whole = False
            raise self._lost()

    def _lost(self) -> InputError:
        return InputError(
            f"{self._path} could not be written whole: see whether the disk is full, and give the"
            " same command again"
        )


def frames_in(path: Path) -> int:
    """Count the pictures of a video without decoding them; 0 where it cannot be read."""
    copying = ["-map", "0:v:0", "-c", "copy", "-f", "null", "-"]
    command = [ffmpeg(), "-i", str(path), *copying]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    counted = FRAMES.findall(done.stderr)
    return int(counted[-1]) if counted and not done.returncode else 0


def write_video(
    pictures: UInt8[np.ndarray, "frame height width 3"], path: Path, frames_per_second: float
) -> None:
    """Write pictures as an MP4 (H.264) that every browser plays.

    Raises:
        InputError: The width or the height is odd, the disk is full, or there is no ffmpeg.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = pictures.shape[1:3]
    video = VideoFile(path, (width, height), frames_per_second)
    for picture in pictures:
        video.write(picture)
    video.close()
