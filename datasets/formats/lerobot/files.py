"""The files of a LeRobot dataset: many episodes in each, a new one when the last is full."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from datasets.formats.lerobot.films import as_tiff
from datasets.formats.shared.exporting import extra
from perception.errors import InputError
from visualizer.video import VideoFile

CHUNK_FILES = 1000  # Files in a folder; this and the sizes are LeRobot's defaults.
DATA_FILE_MB = 100
VIDEO_FILE_MB = 200
NUMBERED = "chunk-{chunk_index:03d}/file-{file_index:03d}"
ENCODING = ["-crf", "10", "-g", "2", "-bf", "0"]  # Close to the pictures; frames are read singly.


class Numbered:
    """Names the current file, and the next one when it is full.

    Args:
        root: The dataset's folder.
        pattern: A path below it with `{chunk_index}` and `{file_index}`.
        limit_mb: How large a file may grow before the next episode goes into another.
    """

    def __init__(self, root: Path, pattern: str, limit_mb: float) -> None:
        self._root, self._pattern, self._limit_mb = root, pattern, limit_mb
        self._number = 0
        self.path.parent.mkdir(parents=True, exist_ok=True)

    @property
    def place(self) -> dict[str, int]:
        """Give the numbers of the current file."""
        chunk, file = divmod(self._number, CHUNK_FILES)
        return {"chunk_index": chunk, "file_index": file}

    @property
    def path(self) -> Path:
        """Give the current file."""
        return self._root / self._pattern.format(**self.place)

    @property
    def full(self) -> bool:
        """Tell whether the current file has reached its size."""
        return self.path.exists() and self.path.stat().st_size >= self._limit_mb * 2**20

    def advance(self) -> None:
        """Go on to the next file."""
        self._number += 1
        self.path.parent.mkdir(parents=True, exist_ok=True)


class Tables:
    """Parquet files; what is appended is a row group each time, so that one is read alone."""

    def __init__(self, root: Path, pattern: str) -> None:
        self._files = Numbered(root, pattern, DATA_FILE_MB)
        self._writer: Any = None

    def turn(self) -> dict[str, int]:
        """Give the numbers of the file that comes next to be written to."""
        if self._files.full:
            self.close()
            self._files.advance()
        return self._files.place

    def append(self, columns: dict[str, Any]) -> None:
        """Append columns (Arrow's arrays, or lists) to the file that `turn` named."""
        table = extra("pyarrow").table(columns)
        if self._writer is None:
            parquet = extra("pyarrow.parquet")
            self._writer = parquet.ParquetWriter(self._files.path, table.schema)
        self._writer.write_table(table)

    def close(self) -> None:
        """Finish the current file."""
        if self._writer is not None:
            self._writer.close()
        self._writer = None


def arrow(values: np.ndarray) -> Any:  # noqa: ANN401 (an extra's type)
    """Give frames (time, ...) as Hugging Face's `datasets` stores Value, List and Array2D."""
    pyarrow = extra("pyarrow")
    column = pyarrow.array(values.reshape(-1))
    if values.ndim < 2 or values.shape[1:] == (1,):
        return column
    if values.ndim == 2:
        return pyarrow.FixedSizeListArray.from_arrays(column, values.shape[1])
    for size in reversed(values.shape[1:]):
        offsets = np.arange(0, len(column) + 1, size, dtype=np.int32)
        column = pyarrow.ListArray.from_arrays(offsets, column)
    return column


def arrow_images(depths: Float32[np.ndarray, "time height width"]) -> Any:  # noqa: ANN401
    """Give depth images as Hugging Face's `datasets` stores Image: lossless, in the table."""
    pyarrow = extra("pyarrow")
    fields = [("bytes", pyarrow.binary()), ("path", pyarrow.string())]
    return pyarrow.array([as_tiff(depth) for depth in depths], pyarrow.struct(fields))


class Videos:
    """MP4 files (H.264, yuv420p) of one camera; episodes follow each other in a file."""

    def __init__(self, root: Path, pattern: str, frames_per_second: int) -> None:
        self._files = Numbered(root, pattern, VIDEO_FILE_MB)
        self._frames_per_second = frames_per_second
        self._video: VideoFile | None = None
        self._frames = 0

    def append(self, pictures: UInt8[np.ndarray, "frame height width 3"]) -> dict[str, int | float]:
        """Append an episode's pictures.

        Returns:
            The numbers of their file, and where in it they begin and end, in seconds.

        Raises:
            InputError: The width or the height is odd, or the disk is full.
        """
        if self._files.full:
            self.close()
            self._files.advance()
        if self._video is None:
            self._video = self._open(*pictures.shape[1:3])
        start = self._frames
        for picture in pictures:
            self._video.write(picture)
        self._frames += len(pictures)
        rate = self._frames_per_second
        span = {"from_timestamp": start / rate, "to_timestamp": self._frames / rate}
        return {**self._files.place, **span}

    def _open(self, height: int, width: int) -> VideoFile:
        if height % 2 or width % 2:
            raise InputError(
                f"H.264 needs an even width and height, not {width} x {height}:"
                " draw the pictures again with another image_size (datasets/render.py)"
            )
        return VideoFile(self._files.path, (width, height), self._frames_per_second, ENCODING)

    def close(self) -> None:
        """Finish the current file.

        Raises:
            InputError: It could not be written whole.
        """
        video, self._video, self._frames = self._video, None, 0
        if video is not None:
            video.close()
