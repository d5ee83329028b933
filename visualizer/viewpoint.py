"""A viewpoint that shows a cloud well: at a slant, beside the camera that saw it, z up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from perception.camera import Pinhole

ELEVATION_DEG = 33.0
FOVY_DEG = 45.0
MARGIN = 1.25
BESIDE_DEG = 50.0  # Off the camera's own side, or its frustum would stand in the way.
FROM_ABOVE = (0.6, -0.8)  # The side to stand on where the camera looks straight down.


@dataclass(frozen=True)
class Viewpoint:
    """A position, and the point to look at from there; metres, world frame."""

    position: Float[np.ndarray, " 3"]
    target: Float[np.ndarray, " 3"]
    extent_m: float

    def camera(self, size: tuple[int, int]) -> Pinhole:
        """Give the upright camera of this viewpoint; `size` is (width, height)."""
        forward = _unit(self.target - self.position)
        right = _unit(np.cross(forward, [0.0, 0.0, 1.0]))
        world_from_camera = np.eye(4)
        world_from_camera[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
        world_from_camera[:3, 3] = self.position
        return Pinhole.from_fovy(FOVY_DEG, size, world_from_camera=world_from_camera)


def stand_back(
    points: Float[np.ndarray, "*lead point axis"], cameras: Sequence[Pinhole] = ()
) -> Viewpoint:
    """Choose a viewpoint that shows all points, beside the first camera but not in line with it."""
    low, high = np.quantile(points[..., :3].reshape(-1, 3), [0.01, 0.99], axis=0)
    target, extent_m = (low + high) / 2, float(np.linalg.norm(high - low))
    side = np.array(FROM_ABOVE)
    if cameras:
        offset = cameras[0].world_from_camera[:2, 3] - target[:2]
        turn = np.deg2rad(BESIDE_DEG)
        turned = offset @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
        side = side if np.linalg.norm(offset) < 0.3 * extent_m else turned
    elevation = np.deg2rad(ELEVATION_DEG)
    direction = np.append(np.cos(elevation) * _unit(side), np.sin(elevation))
    distance_m = MARGIN * 0.5 * extent_m / np.tan(0.5 * np.deg2rad(FOVY_DEG))
    return Viewpoint(target + distance_m * direction, target, extent_m)


def _unit(vector: Float[np.ndarray, " axis"]) -> Float[np.ndarray, " axis"]:
    return np.asarray(vector / np.linalg.norm(vector))
