"""A cloud for the moment in which nothing is seen inside the crop box.

A box tight around a task may hold nothing for a moment: the object was knocked away, and the arm
stands before the camera. A policy must see something then, so it sees the point nearest to the box.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from perception.point_cloud import DEPTH_LIMIT_M, Box, View, numpy_points

NEAR_M = 0.2  # Farther away, the box is none of this scene's: a mistake, which is to be said.


def nearest_point(views: Sequence[View], box: Box) -> Float[np.ndarray, " axis"] | None:
    """Give the seen point outside a box that is nearest to it, colour included (float32).

    None: a point lies inside, or the nearest one is more than `NEAR_M` away.
    """
    everywhere = Box((-DEPTH_LIMIT_M,) * 3, (DEPTH_LIMIT_M,) * 3)
    points = np.concatenate([numpy_points(view, everywhere) for view in views])
    if len(points) == 0:
        return None
    outside = np.maximum(np.maximum(box.low - points[:, :3], points[:, :3] - box.high), 0)
    away_m = np.linalg.norm(outside, axis=1)
    index = int(away_m.argmin())
    return points[index].astype(np.float32) if 0 < away_m[index] <= NEAR_M else None
