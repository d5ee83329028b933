"""Depth as LeRobot keeps it: numbers, lossless images, or a video of twelve-bit codes.

A code c of 0 to 4095 is a depth between `video.depth_min` and `video.depth_max` (metres), even in
the logarithm of depth + `video.shift` where `video.use_log` says so, else in depth itself. LeRobot
clips what lies beyond, so the first and the last code, which also stand for no hit at all and for
what is too far, count as no depth here. Whole numbers are millimetres and floating point numbers
metres, unless `depth_unit` says otherwise. Source: LeRobot's datasets/depth_utils.py and
configs/video.py (0.6.1).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt16

from datasets.formats.lerobot.described import Described, Feature
from datasets.formats.lerobot.films import DEPTH, film_frames, image_frames
from datasets.formats.lerobot.tables import Frames, as_array
from perception.errors import InputError

LAST_CODE = 4095
DEFAULTS = {"depth_min": 0.01, "depth_max": 10.0, "shift": 3.5, "use_log": True}  # LeRobot's.
IN_METRES = {"m": 1.0, "metres": 1.0, "mm": 0.001}


def read_depths(
    described: Described, index: int, feature: Feature, frames: Frames, where: str
) -> Float32[np.ndarray, "time height width"]:
    """Read the depth images of an episode.

    Args:
        described: The dataset.
        index: The episode.
        feature: A depth feature.
        frames: The episode's, with that feature where it is no video.
        where: Whose frames, for errors.

    Returns:
        Metres; 0 where nothing was hit, or as recorded.

    Raises:
        InputError: They cannot be read, or their unit is unknown.
    """
    steps = described.lengths[index]
    if feature.dtype == "video":
        return _of_video(described, index, feature, where)
    if feature.dtype == "image":
        images = image_frames(frames[feature.key], described.root, f"{where}: {feature.key}")
        values = np.stack([np.asarray(image) for image in images])
        values = values.astype(np.uint16) if values.dtype == np.int32 else values  # PNG's.
    else:
        values = as_array(frames, feature.key, feature.shape, where)
    size = (steps, *feature.image_size)
    if values.squeeze().shape != np.empty(size).squeeze().shape:
        raise InputError(f"{where}: {feature.key} is {values.shape[1:]}, not {feature.shape}")
    scale = np.float32(_scale(feature, values.dtype, where))
    return np.asarray(values.reshape(size).astype(np.float32) * scale)


def _scale(feature: Feature, dtype: np.dtype, where: str) -> float:
    """Give how many metres a depth of 1 is."""
    unit = feature.info.get("depth_unit", feature.info.get("units"))
    if unit in IN_METRES:
        return IN_METRES[unit]
    if dtype.kind == "f":
        return 1.0
    if dtype == np.uint8:
        raise InputError(f"{where}: {feature.key} is a picture of depth (8 bits), not depth")
    return IN_METRES["mm"]


def _of_video(
    described: Described, index: int, feature: Feature, where: str
) -> Float32[np.ndarray, "time height width"]:
    pixels = feature.info.get("video.pix_fmt", DEPTH)
    if pixels != DEPTH:
        raise InputError(f"{where}: {feature.key} is a video of {pixels}; {DEPTH} is read")
    path, start_s = described.film(index, feature.key)
    codes = film_frames(path, start_s, described.rate, described.lengths[index], DEPTH)
    return dequantised(codes.astype(np.uint16), feature.info, where)


def dequantised(
    codes: UInt16[np.ndarray, "..."], info: Mapping[str, Any], where: str
) -> Float32[np.ndarray, "..."]:
    """Give the depths that codes stand for, in metres; 0 for the first and the last.

    Raises:
        InputError: The numbers of `info` make no sense.
    """
    said = {name: info.get(f"video.{name}", value) for name, value in DEFAULTS.items()}
    try:
        low, high, shift = (float(said[n]) for n in ("depth_min", "depth_max", "shift"))
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: the depth video's range is {said}") from error
    use_log = bool(said["use_log"])
    if not low < high < np.inf or (use_log and low + shift <= 0):
        raise InputError(f"{where}: the depth video's range is {said}, which holds no depth")
    all_codes = np.arange(LAST_CODE + 1) / LAST_CODE
    if use_log:
        ends = np.log([low + shift, high + shift])
        table = np.exp(ends[0] + all_codes * (ends[1] - ends[0])) - shift
    else:
        table = low + all_codes * (high - low)
    table[[0, LAST_CODE]] = 0
    return np.asarray(table.astype(np.float32)[np.minimum(codes, LAST_CODE)])
