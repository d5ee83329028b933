"""What depth cameras and calibrations give, in this program's units: refused where it cannot be so.

A depth of the wrong unit, or a matrix of another resolution, is a cloud in the wrong place, which a
planner takes for the scene. Here such mistakes are met by name.
"""

import logging
from functools import cache

import numpy as np
from jaxtyping import Float32, Shaped

from perception.camera import Pinhole
from perception.errors import InputError

logger = logging.getLogger(__name__)

FARTHEST_M, NEAREST_M = 50.0, 0.02  # Of the middle one of all depths: what a robot's camera sees.


def depth_in_metres(depth: Shaped[np.ndarray, "..."]) -> Float32[np.ndarray, "height width"]:
    """Read a depth image: whole numbers of 16 bits are millimetres, floating point numbers metres.

    Raises:
        InputError: It is no depth image, or most of its depths are none of a robot's camera.
    """
    if depth.ndim != 2 or not depth.size:
        raise InputError(f"A depth image has (height, width) pixels, not {depth.shape}")
    if depth.dtype == np.uint16:
        _say_millimetres()
        depth_m = depth.astype(np.float32) / np.float32(1000)
    elif depth.dtype.kind == "f":
        depth_m = np.ascontiguousarray(depth, np.float32)
    else:
        raise InputError(
            f"Depth is uint16 (millimetres) or floating point (metres), not {depth.dtype}"
        )
    _check_unit(depth_m)
    return depth_m


@cache
def _say_millimetres() -> None:
    logger.info("depth is uint16: taken as millimetres")


def _check_unit(depth_m: Float32[np.ndarray, "height width"]) -> None:
    """Refuse depths of another unit, by the middle one of those that hit something."""
    some = depth_m.ravel()[::7]  # They are enough to know.
    hit = some[(some > 0) & np.isfinite(some)]
    middle = float(np.median(hit)) if len(hit) else 1.0
    if middle > FARTHEST_M:
        raise InputError(
            f"Half of the depths are beyond {middle:.4g} m: these are millimetres, most likely."
            " Give uint16 as the sensor does, or divide by 1000"
        )
    if middle < NEAREST_M:
        raise InputError(
            f"Half of the depths are within {middle:.2g} m: divided by 1000 twice, most likely."
            " Floating point depth is metres, uint16 is millimetres"
        )


def check_lens(camera: Pinhole) -> None:
    """Refuse a matrix K that is of pictures of another size.

    Raises:
        InputError: The optical axis would not even pass through the picture.
    """
    (cx, cy), width, height = camera.principal_point, camera.width, camera.height
    if not (0 < cx < width - 1 and 0 < cy < height - 1):
        raise InputError(
            f"The picture is {width} x {height}, and K has its middle at ({cx:.1f}, {cy:.1f}): it"
            f" is of pictures of about {2 * cx + 1:.0f} x {2 * cy + 1:.0f}. Scale fx, cx by the"
            " width and fy, cy by the height, or give the K of this resolution"
        )
