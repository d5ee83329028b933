"""Light from the camera on flat colours, so that people see shapes."""

import numpy as np
from jaxtyping import Bool, Float, UInt8

from perception.camera import Pinhole


def lit(
    colours: UInt8[np.ndarray, "height width 3"],
    depth_m: Float[np.ndarray, "height width"],
    is_hit: Bool[np.ndarray, "height width"],
    camera: Pinhole,
) -> UInt8[np.ndarray, "height width 3"]:
    """Darken each pixel by how far its surface faces away from the camera; white where none is."""
    shades = colours.astype(np.float64) * (0.4 + 0.6 * _facing(depth_m, camera))[..., None]
    shades[~is_hit] = 255
    return shades.astype(np.uint8)


def _facing(
    depth_m: Float[np.ndarray, "height width"], camera: Pinhole
) -> Float[np.ndarray, "height width"]:
    """Tell how far each visible surface faces the camera: cosine of the angle, from the depth."""
    # A pixel at depth d spans d / focal metres: the slope of the surface follows from differences.
    fx, fy, _, _ = camera.lens
    shown_m = np.maximum(depth_m, 1e-6)
    slope_v, slope_u = np.gradient(depth_m)
    steep = (slope_u / (shown_m / fx)) ** 2 + (slope_v / (shown_m / fy)) ** 2
    return np.asarray(1 / np.sqrt(1 + steep))
