"""Why a crop box holds too few points: how many it holds, where the others are, what would help."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from perception.camera import unproject
from perception.point_cloud import DEPTH_LIMIT_M, Box, View, inside

Pose = Float[np.ndarray, "4 4"]

OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])  # Its cameras look along -z, with y up.
MISTAKES: dict[str, Callable[[Pose], Pose]] = {
    "world_from_camera is turned round: give its inverse": np.linalg.inv,
    "world_from_camera has OpenGL's axes (y up, looking along -z): here y points down and z ahead;"
    " turn its second and third column round": lambda pose: pose @ OPENGL,
    "world_from_camera is turned round and has OpenGL's axes (y up, looking along -z): give its"
    " inverse, then turn the second and third column round": lambda pose: (
        np.linalg.inv(pose) @ OPENGL
    ),
}
ENOUGH = 0.05  # Share of what is seen that must lie in the box for a mistake to explain it.


def explain(views: Sequence[View], box: Box, least: int) -> str:
    """Say in one line why fewer than `least` of the points that cameras see lie inside a box."""
    points = _all(views)
    count = int(inside(points, box).sum())
    said = (
        f"{count} of {len(points)} seen points lie in the crop box {_corner(box.low)} to"
        f" {_corner(box.high)}, at least {least} are needed"
    )
    if len(points) == 0:
        return f"{said}; no pixel has a depth: is the camera covered, or too near?"
    low, high = np.quantile(points, [0.05, 0.95], axis=0)
    if count > ENOUGH * len(points):
        return f"{said}; few pixels have a depth at all: is the camera covered, or too near?"
    where = f"most lie within {_corner(low)} to {_corner(high)} (world frame, metres)"
    return f"{said}; {where}. {_likely(views, box)}"


def _likely(views: Sequence[View], box: Box) -> str:
    """Name the mistakes without which the box would be full; else the candidates."""
    mended = {said: _all([_moved(view, mend) for view in views]) for said, mend in MISTAKES.items()}
    fitting = [said for said, points in mended.items() if inside(points, box).mean() > ENOUGH]
    if fitting:
        return f"Most likely {'; or '.join(fitting)}"
    return (
        "Compare world_from_camera (its last column is where the camera stands), K and the unit of"
        " depth with what the planner was trained on"
    )


def _moved(view: View, mend: Callable[[Pose], Pose]) -> View:
    pose = mend(view.camera.world_from_camera)
    return replace(view, camera=replace(view.camera, world_from_camera=pose))


def _all(views: Sequence[View]) -> Float[np.ndarray, "point 3"]:
    lifted = [unproject(view.depth_m, view.camera, limit_m=DEPTH_LIMIT_M) for view in views]
    return np.concatenate(lifted)


def _corner(place: Sequence[float] | Float[np.ndarray, "3"]) -> str:
    return f"({', '.join(f'{number:.2f}' for number in place)})"
