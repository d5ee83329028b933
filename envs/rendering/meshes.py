"""Triangles of everything that MuJoCo draws: its geoms and sites, tessellated as its renderer does.

Vertices are in the frame of the geom or site, in metres. MuJoCo draws curved shapes with
`numslices` meridians and `numstacks` parallels (`model.vis.quality`: 28 and 16).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Float, Int

GeomType = mujoco.mjtGeom
SLICES, STACKS = 28, 16
PLANE_REACH_M = 50.0  # Half the side drawn of a plane without size.
DRAWN_GROUPS = 3  # MuJoCo's default options draw groups 0, 1 and 2.


@dataclass(frozen=True)
class Mesh:
    """Triangles over vertices."""

    vertices: Float[np.ndarray, "vertex 3"]
    faces: Int[np.ndarray, "face 3"]


@dataclass(frozen=True)
class Part:
    """One drawn geom or site.

    Attributes:
        kind: `geom` or `site`.
        index: Its number in the model.
        mesh: Its triangles, in its own frame.
        rgba: Its colour, as MuJoCo would draw it without texture and light.
    """

    kind: str
    index: int
    mesh: Mesh
    rgba: Float[np.ndarray, "4"]


def drawn_parts(model: mujoco.MjModel) -> Iterator[Part]:
    """List the geoms and sites that MuJoCo's default options draw, with their triangles."""
    for index in range(model.ngeom):
        rgba = _colour(model, int(model.geom_matid[index]), model.geom_rgba[index])
        mesh = _geom_mesh(model, index)
        if model.geom_group[index] < DRAWN_GROUPS and rgba[3] > 0 and mesh is not None:
            yield Part("geom", index, mesh, rgba)
    for index in range(model.nsite):
        rgba = _colour(model, int(model.site_matid[index]), model.site_rgba[index])
        mesh = shape_mesh(int(model.site_type[index]), model.site_size[index])
        if model.site_group[index] < DRAWN_GROUPS and rgba[3] > 0 and mesh is not None:
            yield Part("site", index, mesh, rgba)


def shape_mesh(kind: int, size: Float[np.ndarray, "3"]) -> Mesh | None:
    """Tessellate a primitive of MuJoCo; `None` for what it does not draw as one."""
    a, b, c = (float(number) for number in size)
    shapes: dict[int, Callable[[], Mesh]] = {
        int(GeomType.mjGEOM_PLANE): lambda: _plane(a or PLANE_REACH_M, b or PLANE_REACH_M),
        int(GeomType.mjGEOM_SPHERE): lambda: _ellipsoid(a, a, a),
        int(GeomType.mjGEOM_ELLIPSOID): lambda: _ellipsoid(a, b, c),
        int(GeomType.mjGEOM_CAPSULE): lambda: _capsule(a, b),
        int(GeomType.mjGEOM_CYLINDER): lambda: _cylinder(a, b),
        int(GeomType.mjGEOM_BOX): lambda: _box(a, b, c),
    }
    return shapes[kind]() if kind in shapes else None


def _geom_mesh(model: mujoco.MjModel, index: int) -> Mesh | None:
    if model.geom_type[index] != GeomType.mjGEOM_MESH:
        return shape_mesh(int(model.geom_type[index]), model.geom_size[index])
    mesh = model.geom_dataid[index]
    vertex, face = model.mesh_vertadr[mesh], model.mesh_faceadr[mesh]
    return Mesh(
        model.mesh_vert[vertex : vertex + model.mesh_vertnum[mesh]].astype(np.float64),
        model.mesh_face[face : face + model.mesh_facenum[mesh]].astype(np.int64),
    )


def _colour(
    model: mujoco.MjModel, material: int, rgba: Float[np.ndarray, "4"]
) -> Float[np.ndarray, "4"]:
    """Give the material's colour unless the geom or site has one that is not the default grey."""
    own = not np.array_equal(rgba, np.array([0.5, 0.5, 0.5, 1], np.float32))
    return rgba if material < 0 or own else model.mat_rgba[material]


def _plane(half_x: float, half_y: float) -> Mesh:
    corners = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * [half_x, half_y, 1.0]
    return Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]]))


def _box(half_x: float, half_y: float, half_z: float) -> Mesh:
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    corners = signs * [half_x, half_y, half_z]
    quads = [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    faces = [[a, b, c] for a, b, c, _ in quads] + [[a, c, d] for a, _, c, d in quads]
    return Mesh(corners, np.array(faces))


def _ellipsoid(radius_x: float, radius_y: float, radius_z: float) -> Mesh:
    polar = np.linspace(0, np.pi, STACKS + 1)
    rings = np.stack([np.sin(polar), np.cos(polar)], axis=1)
    return _revolve(rings, np.array([radius_x, radius_y, radius_z]))


def _capsule(radius: float, half_length: float) -> Mesh:
    """Two hemispheres, the upper one raised and the lower one sunk by half the length."""
    polar = np.linspace(0, np.pi / 2, STACKS // 2 + 1)
    cap = radius * np.stack([np.sin(polar), np.cos(polar)], axis=1)
    upper = cap + np.array([0, half_length])
    return _revolve(np.concatenate([upper, upper[::-1] * [1, -1]]), np.ones(3))


def _cylinder(radius: float, half_length: float) -> Mesh:
    profile = [[0, half_length], [radius, half_length], [radius, -half_length], [0, -half_length]]
    return _revolve(np.array(profile), np.ones(3))


def _revolve(profile: Float[np.ndarray, "ring 2"], scale: Float[np.ndarray, "3"]) -> Mesh:
    """Turn a profile of (radius, height) rings around the z axis."""
    angle = np.arange(SLICES) * (2 * np.pi / SLICES)
    x, y = np.outer(profile[:, 0], np.cos(angle)), np.outer(profile[:, 0], np.sin(angle))
    z = np.repeat(profile[:, 1:], SLICES, axis=1)
    vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3) * scale
    ring, slice_ = np.divmod(np.arange((len(profile) - 1) * SLICES), SLICES)
    here, right = ring * SLICES + slice_, ring * SLICES + (slice_ + 1) % SLICES
    below, below_right = here + SLICES, right + SLICES
    faces = np.concatenate(
        [np.stack([here, below, right], 1), np.stack([right, below, below_right], 1)]
    )
    return Mesh(vertices, _without_slivers(vertices, faces))


def _without_slivers(
    vertices: Float[np.ndarray, "vertex 3"], faces: Int[np.ndarray, "face 3"]
) -> Int[np.ndarray, "kept 3"]:
    """Drop triangles with two corners in one place (at the poles)."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return np.asarray(faces[np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-12])
