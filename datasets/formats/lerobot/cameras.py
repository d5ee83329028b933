"""Lenses and poses of a LeRobot dataset's cameras, for which LeRobot itself has no place.

    meta/cameras.json: {"top": {"intrinsics": 3 x 3, "world_from_camera": 4 x 4}, ...}

`info.json` may hold the same under `cameras`, but LeRobot drops what it does not know whenever it
writes that file. Lengths are metres; the camera's axes are OpenCV's.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from datasets.formats.lerobot.described import INFO, Described, Feature, read_json
from perception.camera import Pinhole
from perception.errors import InputError
from perception.sensors import check_lens

CAMERAS = Path("meta", "cameras.json")
PARTS = {"intrinsics": (3, 3), "world_from_camera": (4, 4)}
EXAMPLE = '{"NAME": {"intrinsics": 3 x 3, "world_from_camera": 4 x 4}}'


def read_cameras(described: Described, calibration: Path | None) -> dict[str, dict[str, Any]]:
    """Read what is known of the cameras, by name: from the file given, or else the dataset's own.

    Raises:
        InputError: A file cannot be read, or what it says is none of a camera.
    """
    own = described.root / CAMERAS
    if calibration is not None:
        said, where = read_json(calibration), calibration
    elif own.is_file():
        said, where = read_json(own), own
    else:
        said, where = described.info.get("cameras") or {}, described.root / INFO
    if not isinstance(said, dict):
        raise InputError(f"{where}: cameras are {EXAMPLE}, not {said!r}")
    return {name: _checked(one, f"{where}: {name}") for name, one in said.items()}


def _checked(said: Any, where: str) -> dict[str, Any]:  # noqa: ANN401 (any JSON)
    if not isinstance(said, Mapping):
        raise InputError(f"{where} is {said!r}; {EXAMPLE} is expected")
    for part, shape in PARTS.items():
        try:
            matrix = np.array(said.get(part), np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(f"{where}: {part} is no matrix of numbers") from error
        if matrix.shape != shape:
            rows, columns = shape
            raise InputError(f"{where}: {part} must be {rows} x {columns} numbers")
    return dict(said)


def camera_of(cameras: Mapping[str, dict[str, Any]], feature: Feature) -> dict[str, Any] | None:
    """Find what is known of a depth feature's camera, by its name or the feature's; or None."""
    return next((cameras[n] for n in (feature.camera, feature.key) if n in cameras), None)


def pinhole(said: Mapping[str, Any], feature: Feature, where: str) -> Pinhole:
    """Make the camera that took a depth feature's images.

    Raises:
        InputError: It cannot have taken images of that size.
    """
    height, width = feature.image_size
    lens, pose = (np.array(said[part], np.float64) for part in PARTS)
    try:
        camera = Pinhole.from_intrinsics(lens, (width, height), pose)
        check_lens(camera)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    return camera
