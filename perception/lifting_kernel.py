"""Compiled lifting of a depth image to the world points inside a box.

Open3D's arithmetic, operation by operation, so that the points have the same bits as its own: its
extrinsic is turned round as Eigen inverts a 4 x 4 matrix, and nothing is contracted or reordered.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8

from perception.compiled import compiler

as_written = compiler(error_model="numpy")  # Numbers that are divided by are never 0 here.

Depths = Float32[np.ndarray, "height width"]
Colours = UInt8[np.ndarray, "image_height image_width 3"]


@no_type_check
@as_written
def lift(
    depth_m: Depths,
    colour: Colours,
    camera_from_world: Float64[np.ndarray, "4 4"],
    lens: tuple[float, float, float, float],
    limit_m: float,
    corners: Float64[np.ndarray, "2 3"],
) -> Float32[np.ndarray, "point channel"]:
    """Give the points inside a box in pixel order, with their colour in [0, 1] if there is any.

    Args:
        depth_m: 0, below 0 or not a number where nothing was hit.
        colour: Of the same pixels, or of none.
        camera_from_world: Rigid.
        lens: Focal lengths along x and y, and principal point (u, v), in pixels.
        limit_m: Pixels at least this deep are left out.
        corners: The box: its low one and its high one; its faces belong to it.
    """
    height, width = depth_m.shape
    pose = _inverse(camera_from_world)
    points = np.empty((height * width, 6 if colour.size else 3), np.float32)
    row, kept = np.empty((3, width)), np.empty(width, np.int64)
    count = 0
    for v in range(height):
        _lift_row(depth_m[v], pose, lens, v, row)
        found = _choose(depth_m[v], limit_m, row, corners, kept)
        for index in range(found):
            for axis in range(3):
                points[count + index, axis] = row[axis, kept[index]]
        if colour.size:
            _write_colours(colour[v], kept[:found], points[count : count + found])
        count += found
    return points[:count].copy()


@no_type_check
@as_written
def _lift_row(
    depth_m: Float32[np.ndarray, " width"],
    pose: Float64[np.ndarray, "3 4"],
    lens: tuple[float, float, float, float],
    v: int,
    points: Float64[np.ndarray, "3 width"],
) -> None:
    """Write the world point behind each pixel of a row; without branches, to be vectorised."""
    focal_x, focal_y, centre_u, centre_v = lens
    (a, b, c, x_0), (d, e, f, y_0), (g, h, i, z_0) = pose
    for u in range(len(depth_m)):
        z = np.float64(depth_m[u])
        x, y = (u - centre_u) * z / focal_x, (v - centre_v) * z / focal_y
        points[0, u] = a * x + b * y + c * z + x_0
        points[1, u] = d * x + e * y + f * z + y_0
        points[2, u] = g * x + h * y + i * z + z_0


@no_type_check
@as_written
def _choose(
    depth_m: Float32[np.ndarray, " width"],
    limit_m: float,
    points: Float64[np.ndarray, "3 width"],
    corners: Float64[np.ndarray, "2 3"],
    kept: Int64[np.ndarray, " width"],
) -> int:
    """Write which pixels of a row hit something inside the box, and give how many these are."""
    count = 0
    (low_x, low_y, low_z), (high_x, high_y, high_z) = corners
    for u in range(len(depth_m)):
        x, y, z = points[0, u], points[1, u], points[2, u]
        hit = (depth_m[u] > 0) & (depth_m[u] < limit_m)
        inside_x, inside_y = (x >= low_x) & (x <= high_x), (y >= low_y) & (y <= high_y)
        inside = inside_x & inside_y & (z >= low_z) & (z <= high_z)
        kept[count] = u  # Written always, since a branch that is guessed wrong would cost more.
        count += hit & inside
    return count


@no_type_check
@as_written
def _write_colours(
    colour: UInt8[np.ndarray, "width 3"],
    kept: Int64[np.ndarray, " kept"],
    points: Float32[np.ndarray, "kept 6"],
) -> None:
    """Write the colours of kept pixels behind the positions of their points."""
    for index in range(len(kept)):
        for channel in range(3):
            points[index, 3 + channel] = colour[kept[index], channel] / 255.0


@no_type_check
@as_written
def _inverse(pose: Float64[np.ndarray, "4 4"]) -> Float64[np.ndarray, "3 4"]:
    """Invert a rigid transform: the adjugate over the determinant, in Eigen's order.

    Eigen (`InverseSize4.h`) works on blocks of 2 x 2. What is left out here are products with the
    last row, (0, 0, 0, 1), which change no bit.
    """
    (a, b, c), (d, e, f), (g, h, i) = pose[0, :3], pose[1, :3], pose[2, :3]
    x, y, z = pose[0, 3], pose[1, 3], pose[2, 3]
    minor, lower, right = a * e - d * b, g * e - h * d, h * a - g * b
    shift_x, shift_y, turned = x * i - c * z, y * i - f * z, c * y - f * x
    scale = 1 / (minor * i - (lower * c + right * f))
    inverse = np.empty((3, 4))
    inverse[0, :3] = e * i - f * h, -(b * i - c * h), -(e * c - b * f)
    inverse[1, :3] = -(d * i - f * g), a * i - c * g, d * c - a * f
    inverse[2, :3] = -lower, -right, minor
    inverse[0, 3] = -(h * turned - (b * shift_y - e * shift_x))
    inverse[1, 3] = g * turned - (a * shift_y - d * shift_x)
    inverse[2, 3] = -(z * minor - (lower * x + right * y))
    return inverse * scale
