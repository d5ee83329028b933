"""Videos hold every picture, or one line says that they do not."""

import multiprocessing
import os
import resource
from pathlib import Path

import numpy as np
import pytest

from perception.errors import InputError
from visualizer.video import NoFfmpegError, frames_in, write_video


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, 64, 64, 3), dtype=np.uint8)


def test_every_picture_is_counted(tmp_path: Path) -> None:
    write_video(pictures(7), tmp_path / "v.mp4", 20.0)
    assert frames_in(tmp_path / "v.mp4") == 7
    cut = (tmp_path / "v.mp4").read_bytes()[:-3000]
    (tmp_path / "v.mp4").write_bytes(cut)
    assert frames_in(tmp_path / "v.mp4") < 7
    assert frames_in(tmp_path / "none.mp4") == 0


def write_small_files_only(path: Path, count: int) -> None:
    """Write a video where no file may become large; exit with 7 if that is said."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    try:
        write_video(pictures(count), path, 20.0)
    except InputError as error:
        os._exit(7 if "could not be written whole" in str(error) else 1)
    os._exit(0)


@pytest.mark.parametrize("count", [3, 400])  # ffmpeg ends at the end, or on the way.
def test_a_full_disk_is_said(count: int, tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(
        target=write_small_files_only, args=(tmp_path / "v.mp4", count)
    )
    process.start()
    process.join()
    assert process.exitcode == 7


@pytest.mark.parametrize("installed", [True, False])
def test_without_ffmpeg_one_line_says_so(
    installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> str:
        raise RuntimeError("No ffmpeg exe could be found.")

    if installed:
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "moved-away"))
    else:
        monkeypatch.setattr("imageio_ffmpeg.get_ffmpeg_exe", missing)
    with pytest.raises(NoFfmpegError, match=r"install one, .* IMAGEIO_FFMPEG_EXE=PATH"):
        write_video(pictures(3), tmp_path / "v.mp4", 20.0)
