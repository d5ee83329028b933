"""Films as a recording for Rerun's viewer (an extra)."""

import importlib
import re
from pathlib import Path
from typing import Any

from perception.errors import InputError
from visualizer.film import Film


def write_rerun(films: dict[str, Film], path: Path) -> None:
    """Write films, side by side under their names, as a recording for Rerun's viewer (`.rrd`).

    Raises:
        InputError: The extra `rerun` is not installed.
    """
    rerun = _import_rerun()
    recording = rerun.RecordingStream("sodp-3d")
    recording.save(path)
    for title, film in films.items():
        root = re.sub(r"\W+", "-", title)
        for name, camera in film.cameras.items():
            pose, size = camera.world_from_camera, (camera.width, camera.height)
            turn = rerun.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3])
            lens = rerun.Pinhole(image_from_camera=camera.intrinsics, resolution=size)
            recording.log(f"{root}/{name}", turn, lens, static=True)
        colours = film.colours
        for frame, cloud in enumerate(film.clouds):
            recording.set_time("step", sequence=frame)
            recording.log(f"{root}/cloud", rerun.Points3D(cloud[:, :3], colors=colours[frame]))
            for name, pictures in film.pictures.items():
                recording.log(f"{root}/{name}", rerun.Image(pictures[frame]).compress())
            for name, values in film.numbers.items():
                recording.log(f"{root}/{name}", rerun.Scalars(float(values[frame])))
    recording.flush()


def _import_rerun() -> Any:  # noqa: ANN401 (an extra, so not always there to be typed)
    try:
        return importlib.import_module("rerun")
    except ImportError as error:
        raise InputError(
            f"format=rerun needs the extra: pip install -e '.[rerun]' ({error})"
        ) from error
