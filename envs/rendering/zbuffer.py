"""Depth, labels and flat colours of a MuJoCo scene without OpenGL.

Draws what MuJoCo's own renderer draws with its default options (geoms and sites of groups 0 to 2),
on the CPU, in one to three milliseconds; `gl.py` is the oracle it is tested against. It knows no
textures, lights, shadows, skins or height fields.
"""

import mujoco
import numpy as np
from jaxtyping import Float, Int, UInt8

from envs.rendering import raster
from envs.rendering.closed import is_closed
from envs.rendering.meshes import drawn_parts
from envs.rendering.shading import lit
from envs.rendering.specks import without_specks
from perception.camera import Pinhole


class ZBuffer:
    """The triangles of one model, ready to be drawn from any camera at any state.

    Args:
        model: The model.
        two_sided: Whether meshes that are not closed are drawn from both sides: rays pass through
            the backs of their faces otherwise, as in MuJoCo's own renderer.
    """

    def __init__(self, model: mujoco.MjModel, *, two_sided: bool = True) -> None:
        self.parts = list(drawn_parts(model))
        meshes = [part.mesh for part in self.parts]
        vertex_ends = np.cumsum([len(mesh.vertices) for mesh in meshes])
        face_ends = np.cumsum([len(mesh.faces) for mesh in meshes])
        vertex_starts = vertex_ends - [len(mesh.vertices) for mesh in meshes]
        face_starts = face_ends - [len(mesh.faces) for mesh in meshes]
        both = [two_sided and not is_closed(mesh.vertices, mesh.faces) for mesh in meshes]
        spans = [vertex_starts, vertex_ends, face_starts, face_ends, np.array(both)]
        self._spans = np.stack(spans, axis=1).astype(np.int32)
        vertices = np.concatenate([mesh.vertices for mesh in meshes])
        self._vertices = np.ascontiguousarray(vertices.T, np.float32)
        shifted = [m.faces + start for m, start in zip(meshes, vertex_starts, strict=True)]
        self._faces = np.concatenate(shifted).astype(np.int32)
        self._radii = np.array([np.linalg.norm(m.vertices, axis=1).max() for m in meshes])
        self._colours = np.array([part.rgba[:3] for part in self.parts])
        self._geoms = np.array([p.index for p in self.parts if p.kind == "geom"], np.int64)
        self._sites = np.array([p.index for p in self.parts if p.kind == "site"], np.int64)
        self._near_m = model.vis.map.znear * model.stat.extent

    def render(
        self, data: mujoco.MjData, camera: Pinhole
    ) -> tuple[Float[np.ndarray, "height width"], Int[np.ndarray, "height width"]]:
        """Draw the scene as it stands in `data`.

        Returns:
            Depth along the optical axis in metres (0 where nothing was hit), and for each pixel
            the index into `parts` of what was hit (-1 for nothing).
        """
        world_from_part = np.concatenate([data.geom_xmat[self._geoms], data.site_xmat[self._sites]])
        position = np.concatenate([data.geom_xpos[self._geoms], data.site_xpos[self._sites]])
        camera_from_world = camera.camera_from_world
        rotations = camera_from_world[:3, :3] @ world_from_part.reshape(-1, 3, 3)
        positions = position @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
        inverse_depth = np.empty((camera.height, camera.width), np.float32)
        labels = np.empty((camera.height, camera.width), np.int32)
        raster.draw(
            self._vertices,
            self._faces,
            self._spans,
            rotations.astype(np.float32),
            np.column_stack([positions, self._radii]).astype(np.float32),
            np.array([*camera.lens, self._near_m], np.float32),
            inverse_depth,
            labels,
        )
        depth = np.divide(1, inverse_depth, out=np.zeros_like(inverse_depth), where=labels >= 0)
        return depth, labels

    def flat_colours(
        self, labels: Int[np.ndarray, "height width"]
    ) -> UInt8[np.ndarray, "height width 3"]:
        """Colour each pixel by what was hit: no light, no texture; black where nothing was."""
        palette = np.concatenate([self._colours, np.zeros((1, 3))])  # Label -1 takes the last row.
        return np.asarray(np.round(palette * 255).astype(np.uint8)[labels])

    def picture(self, data: mujoco.MjData, camera: Pinhole) -> UInt8[np.ndarray, "height width 3"]:
        """Draw the scene in flat colours lit from the camera, on white; for people to look at."""
        depth_m, labels = without_specks(*self.render(data, camera))
        return lit(self.flat_colours(labels), depth_m, labels >= 0, camera)
