"""Compiled z-buffer: transform triangles, clip them at the near plane, keep the nearest.

The buffer holds inverse depth, which is linear over a triangle on the screen, and is larger the
nearer a point is; 0 means that nothing was hit. A pixel's centre lies at its whole number.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Float32, Int32

from perception.compiled import fast, in_order

Axes = Float32[np.ndarray, "3 vertex"]
Lens = Float32[np.ndarray, "5"]
Face = Int32[np.ndarray, "3"]
Corner = tuple[np.float32, np.float32, np.float32]
Depths = Float32[np.ndarray, "height width"]
Labels = Int32[np.ndarray, "height width"]


@no_type_check
@fast
def draw(
    vertices: Axes,
    faces: Int32[np.ndarray, "face 3"],
    parts: Int32[np.ndarray, "part 5"],
    rotations: Float32[np.ndarray, "part 3 3"],
    positions: Float32[np.ndarray, "part 4"],
    lens: Lens,
    inverse_depth: Depths,
    labels: Labels,
) -> None:
    """Draw every part.

    Args:
        vertices: Each part's in its own frame, in metres.
        faces: Indices into `vertices`.
        parts: First vertex, end, first face, end, whether faces are seen from behind too.
        rotations: Camera from part (x right, y down, z forward).
        positions: Of the part in the camera frame, and its radius, in metres.
        lens: Focal lengths along x and y and principal point u and v in pixels, distance of the
            near plane in metres.
        inverse_depth: Overwritten: per metre.
        labels: Overwritten: the part drawn, or -1.
    """
    inverse_depth[:] = 0
    labels[:] = -1
    points = np.empty_like(vertices)
    for part in range(parts.shape[0]):
        if _is_out_of_view(positions[part], lens, inverse_depth):
            continue
        whole = positions[part, 2] - positions[part, 3] > lens[4]
        _move(vertices, parts[part], rotations[part], positions[part], lens, points)
        own, both = faces[parts[part, 2] : parts[part, 3]], parts[part, 4] != 0
        if whole:
            _draw_faces(points, own, both, part, inverse_depth, labels)
        else:
            _draw_clipped(points, own, both, lens, part, inverse_depth, labels)


@no_type_check
@fast
def _is_out_of_view(position: Float32[np.ndarray, "4"], lens: Lens, image: Depths) -> bool:
    """Tell whether a part's sphere lies behind the near plane or beside the picture."""
    height, width = image.shape
    fx, fy, cu, cv, near = lens
    x, y, z, radius = position
    beside_x = _is_beside(x, z, radius, (cu + np.float32(1)) / fx, (np.float32(width) - cu) / fx)
    beside_y = _is_beside(y, z, radius, (cv + np.float32(1)) / fy, (np.float32(height) - cv) / fy)
    return z < near - radius or beside_x or beside_y


@no_type_check
@fast
def _is_beside(
    place: np.float32, z: np.float32, radius: np.float32, low: np.float32, high: np.float32
) -> bool:
    """Tell whether a sphere lies beside what is seen along an axis, by the slopes of its edges."""
    below = -place - low * z > radius * np.sqrt(1 + low * low)
    return below or place - high * z > radius * np.sqrt(1 + high * high)


@no_type_check
@in_order
def _move(
    vertices: Axes,
    part: Int32[np.ndarray, "5"],
    rotation: Float32[np.ndarray, "3 3"],
    position: Float32[np.ndarray, "4"],
    lens: Lens,
    points: Axes,
) -> None:
    """Take vertices into the camera frame, and on to (u, v, inverse depth) if all are in front."""
    x, y, z = points[0], points[1], points[2]
    fx, fy, cu, cv, near = lens
    px, py, pz, radius = position
    r = rotation
    whole = pz - radius > near
    for i in range(part[0], part[1]):
        a, b, c = vertices[0, i], vertices[1, i], vertices[2, i]
        camera_x = px + r[0, 0] * a + r[0, 1] * b + r[0, 2] * c
        camera_y = py + r[1, 0] * a + r[1, 1] * b + r[1, 2] * c
        camera_z = pz + r[2, 0] * a + r[2, 1] * b + r[2, 2] * c
        if whole:
            w = np.float32(1) / camera_z
            x[i], y[i], z[i] = cu + fx * camera_x * w, cv + fy * camera_y * w, w
        else:
            x[i], y[i], z[i] = camera_x, camera_y, camera_z


@no_type_check
@fast
def _draw_faces(
    points: Axes,
    faces: Int32[np.ndarray, "face 3"],
    both: bool,
    label: int,
    inverse_depth: Depths,
    labels: Labels,
) -> None:
    """Draw triangles between points (u, v, inverse depth)."""
    for face in range(faces.shape[0]):
        i, j, k = faces[face]
        draw_triangle(
            (points[0, i], points[1, i], points[2, i]),
            (points[0, j], points[1, j], points[2, j]),
            (points[0, k], points[1, k], points[2, k]),
            both,
            label,
            inverse_depth,
            labels,
        )


@no_type_check
@fast
def _draw_clipped(
    points: Axes,
    faces: Int32[np.ndarray, "face 3"],
    both: bool,
    lens: Lens,
    label: int,
    inverse_depth: Depths,
    labels: Labels,
) -> None:
    """Draw triangles that may reach behind the near plane: cut them there first."""
    fx, fy, cu, cv, near = lens
    corner = np.empty((4, 3), np.float32)
    for face in range(faces.shape[0]):
        count = _clip(points, faces[face], near, corner)
        for k in range(count):
            w = np.float32(1) / corner[k, 2]
            corner[k] = cu + fx * corner[k, 0] * w, cv + fy * corner[k, 1] * w, w
        for k in range(1, count - 1):
            draw_triangle(corner[0], corner[k], corner[k + 1], both, label, inverse_depth, labels)


@no_type_check
@fast
def _clip(points: Axes, face: Face, near: np.float32, corner: Float32[np.ndarray, "4 3"]) -> int:
    """Cut a triangle at the near plane; give how many corners there are."""
    x, y, z = points[0], points[1], points[2]
    count = 0
    for edge in range(3):
        i, j = face[edge], face[(edge + 1) % 3]
        if z[i] >= near:
            corner[count] = x[i], y[i], z[i]
            count += 1
        if (z[i] >= near) != (z[j] >= near):
            s = (near - z[i]) / (z[j] - z[i])
            corner[count] = x[i] + s * (x[j] - x[i]), y[i] + s * (y[j] - y[i]), near
            count += 1
    return count


@no_type_check
@fast
def draw_triangle(
    a: Corner, b: Corner, c: Corner, both: bool, label: int, inverse_depth: Depths, labels: Labels
) -> None:
    """Draw one triangle of corners (u, v, inverse depth) where it is nearest."""
    height, width = inverse_depth.shape
    au, av, aw = a
    bu, bv, bw = b
    cu, cv, cw = c
    area = (bu - au) * (cv - av) - (cu - au) * (bv - av)
    if area >= 0:  # Seen from behind (v points down): MuJoCo's renderer culls these.
        if not both or area == 0:
            return
        bu, bv, bw, cu, cv, cw = cu, cv, cw, bu, bv, bw
        b, c, area = c, b, -area
    first_u, last_u = _pixels(min(au, bu, cu), max(au, bu, cu), width)
    first_v, last_v = _pixels(min(av, bv, cv), max(av, bv, cv), height)
    if first_u > last_u or first_v > last_v:
        return
    slope_u = ((bw - aw) * (cv - av) - (cw - aw) * (bv - av)) / area
    slope_v = ((cw - aw) * (bu - au) - (bw - aw) * (cu - au)) / area
    for v in range(first_v, last_v + 1):
        for u in range(first_u, last_u + 1):
            if _is_outside(a, b, u, v) or _is_outside(b, c, u, v) or _is_outside(c, a, u, v):
                continue
            w = aw + slope_u * (u - au) + slope_v * (v - av)
            if w > inverse_depth[v, u]:
                inverse_depth[v, u] = w
                labels[v, u] = label


@no_type_check
@fast
def _pixels(low: np.float32, high: np.float32, size: int) -> tuple[int, int]:
    """Give the first and last pixel between two places; the first is larger if there is none."""
    if high < 0 or low > size - 1:
        return 1, 0
    return max(0, int(np.ceil(low))), min(size - 1, int(np.floor(high)))


@no_type_check
@fast
def _is_outside(a: Corner, b: Corner, u: int, v: int) -> bool:
    """Tell whether a pixel lies on the outer side of a triangle's edge."""
    return (b[0] - a[0]) * (v - a[1]) > (u - a[0]) * (b[1] - a[1])
