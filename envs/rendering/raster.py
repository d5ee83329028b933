"""Compiled z-buffer: transform triangles, clip them at the near plane, keep the nearest.

The buffer holds inverse depth, which is linear over a triangle on the screen, and is larger the
nearer a point is; 0 means that nothing was hit. A pixel's centre lies at its whole number.
"""

from typing import no_type_check

import numpy as np
from numba import njit

# Fast-math: bits may differ between processors, never between two runs on one.
COMPILED = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": True}


@no_type_check
@njit(**COMPILED)
def draw_triangle(a, b, c, label, inverse_depth, labels):
    """Draw one triangle of corners (u, v, inverse depth) where it is nearest."""
    height, width = inverse_depth.shape
    au, av, aw = a
    bu, bv, bw = b
    cu, cv, cw = c
    area = (bu - au) * (cv - av) - (cu - au) * (bv - av)
    if area >= 0:  # Seen from behind (v points down): MuJoCo's renderer culls these too.
        return
    u_low, u_high = min(au, min(bu, cu)), max(au, max(bu, cu))
    v_low, v_high = min(av, min(bv, cv)), max(av, max(bv, cv))
    if u_high < 0 or v_high < 0 or u_low > width - 1 or v_low > height - 1:
        return
    first_u, last_u = max(0, int(np.ceil(u_low))), min(width - 1, int(np.floor(u_high)))
    first_v, last_v = max(0, int(np.ceil(v_low))), min(height - 1, int(np.floor(v_high)))
    if first_u > last_u or first_v > last_v:
        return
    slope_u = ((bw - aw) * (cv - av) - (cw - aw) * (bv - av)) / area
    slope_v = ((cw - aw) * (bu - au) - (bw - aw) * (cu - au)) / area
    for v in range(first_v, last_v + 1):
        for u in range(first_u, last_u + 1):
            if (bu - au) * (v - av) > (u - au) * (bv - av):
                continue
            if (cu - bu) * (v - bv) > (u - bu) * (cv - bv):
                continue
            if (au - cu) * (v - cv) > (u - cu) * (av - cv):
                continue
            w = aw + slope_u * (u - au) + slope_v * (v - av)
            if w > inverse_depth[v, u]:
                inverse_depth[v, u] = w
                labels[v, u] = label


@no_type_check
@njit(**COMPILED)
def draw_clipped(x, y, z, face, pinhole, near, label, inverse_depth, labels):
    """Draw a triangle that may reach behind the near plane: cut it there first."""
    focal, cu, cv = pinhole
    corner = np.empty((4, 3), np.float32)
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
    for k in range(count):
        w = np.float32(1) / corner[k, 2]
        corner[k] = cu + focal * corner[k, 0] * w, cv + focal * corner[k, 1] * w, w
    for k in range(1, count - 1):
        draw_triangle(corner[0], corner[k], corner[k + 1], label, inverse_depth, labels)


@no_type_check
@njit(**COMPILED)
def draw(vertices, faces, parts, rotations, positions, pinhole, near, inverse_depth, labels):
    """Draw every part.

    Args:
        vertices: (3, vertex) float32, each part's in its own frame.
        faces: (face, 3) int32, indices into `vertices`.
        parts: (part, 4) int32: first vertex, end, first face, end.
        rotations: (part, 3, 3) float32, camera from part (x right, y down, z forward).
        positions: (part, 4) float32, of the part in the camera frame, and its radius, in metres.
        pinhole: (3,) float32: focal length, principal point u and v, in pixels.
        near: Distance of the near plane in metres.
        inverse_depth: (height, width) float32, overwritten.
        labels: (height, width) int32, overwritten: the part drawn, or -1.
    """
    height, width = inverse_depth.shape
    inverse_depth[:] = 0
    labels[:] = -1
    focal, cu, cv = pinhole
    slope_x = (np.float32(width) - cu) / focal
    slope_y = (np.float32(height) - cv) / focal
    norm_x, norm_y = np.sqrt(1 + slope_x * slope_x), np.sqrt(1 + slope_y * slope_y)
    x = np.empty(vertices.shape[1], np.float32)
    y, z = np.empty_like(x), np.empty_like(x)
    for part in range(parts.shape[0]):
        px, py, pz, radius = positions[part]
        outside_x = abs(px) - slope_x * pz > radius * norm_x
        outside_y = abs(py) - slope_y * pz > radius * norm_y
        if pz < near - radius or outside_x or outside_y:
            continue
        r = rotations[part]
        safe = pz - radius > near
        first, end, first_face, end_face = parts[part]
        for i in range(first, end):
            a, b, c = vertices[0, i], vertices[1, i], vertices[2, i]
            camera_x = r[0, 0] * a + r[0, 1] * b + r[0, 2] * c + px
            camera_y = r[1, 0] * a + r[1, 1] * b + r[1, 2] * c + py
            camera_z = r[2, 0] * a + r[2, 1] * b + r[2, 2] * c + pz
            if safe:
                w = np.float32(1) / camera_z
                x[i], y[i], z[i] = cu + focal * camera_x * w, cv + focal * camera_y * w, w
            else:
                x[i], y[i], z[i] = camera_x, camera_y, camera_z
        if safe:
            for f in range(first_face, end_face):
                i, j, k = faces[f]
                draw_triangle(
                    (x[i], y[i], z[i]), (x[j], y[j], z[j]), (x[k], y[k], z[k]),
                    part, inverse_depth, labels,
                )  # fmt: skip
        else:
            for f in range(first_face, end_face):
                draw_clipped(x, y, z, faces[f], pinhole, near, part, inverse_depth, labels)
