"""A task as cameras see it: from a recorded or live state to depth images and clouds.

A scene has a model and data of its own, apart from the simulator's. Whatever it draws follows from
the state it is given and nothing else, so a picture taken live and one taken from a recording are
the same to the last bit, and no stale body position can be seen.
"""

from collections.abc import Sequence
from dataclasses import replace

import mujoco
import numpy as np
from jaxtyping import Float, UInt8

from envs.config import CameraConfig, EnvConfig
from envs.rendering.camera_checks import check_camera, check_lens
from envs.rendering.gl import GLRenderer
from envs.rendering.nearest import nearest_point
from envs.rendering.zbuffer import ZBuffer
from envs.simulator import REST, Roles
from envs.state import SCENE, StateLayout
from perception.camera import Pinhole, upright
from perception.errors import InputError
from perception.point_cloud import Box, View, fuse


class Scene:
    """Cameras looking at one task.

    Args:
        model_path: The task's MuJoCo XML: its file, or its text.
        layout: The order of the numbers in its states.
        config: Cameras and view.

    Raises:
        InputError: A camera is neither in the model nor in the configuration, or is none that can
            be drawn; the crop box holds nothing; OpenGL is wanted and missing.
    """

    def __init__(self, model_path: str, layout: StateLayout, config: EnvConfig) -> None:
        self.model = compile_with_cameras(model_path, config.cameras)
        self.data = mujoco.MjData(self.model)
        self._layout, self.view = layout, config.view
        cameras = [self.model.camera(i).name for i in range(self.model.ncam)]
        for name in config.view.cameras:
            if name not in cameras:
                raise InputError(f"{config.name} has no camera {name!r}; choose from {cameras}")
            check_lens(self.model, name)
        self._box = Box(config.view.crop_low, config.view.crop_high)
        self._two_sided = config.view.faces == "both"
        self._zbuffer = ZBuffer(self.model, two_sided=self._two_sided)
        self._gl: GLRenderer | None = None
        self._cameras: dict[tuple[str, tuple[int, int], float], tuple[tuple[bytes, bytes], Pinhole]]
        self._cameras = {}

    def put(self, scene_state: Float[np.ndarray, " scene"]) -> None:
        """Set the scene to a state."""
        self._layout.write(self.model, self.data, SCENE, state=scene_state)
        mujoco.mj_kinematics(self.model, self.data)
        mujoco.mj_comPos(self.model, self.data)
        mujoco.mj_camlight(self.model, self.data)

    def camera(self, name: str, size: tuple[int, int] | None = None) -> Pinhole:
        """Give a camera as it stands now; `size` is (width, height), the view's by default."""
        index = self.model.camera(name).id
        fovy_deg = float(self.model.cam_fovy[index])
        size = size or (self.view.image_size, self.view.image_size)
        stands = (self.data.cam_xmat[index].tobytes(), self.data.cam_xpos[index].tobytes())
        key = (name, size, fovy_deg)
        if key not in self._cameras or self._cameras[key][0] != stands:  # Most never move.
            world_from_camera = np.eye(4)
            # MuJoCo's cameras look along -z with y up; ours along z with y down.
            world_from_camera[:3, :3] = self.data.cam_xmat[index].reshape(3, 3) * [1, -1, -1]
            world_from_camera[:3, 3] = self.data.cam_xpos[index]
            made = Pinhole.from_fovy(fovy_deg, size, world_from_camera=world_from_camera)
            self._cameras[key] = stands, made
        return self._cameras[key][1]

    def look(self, cameras: Sequence[str]) -> list[View]:
        """Take a depth image, and colour if the view wants it, with each camera."""
        return [self._look(name) for name in cameras]

    def points(
        self, scene_state: Float[np.ndarray, " scene"]
    ) -> Float[np.ndarray, "point 3"] | Float[np.ndarray, "point 6"]:
        """Give the cloud of a state: every camera of the view, cropped, fused and sampled.

        Where the box holds nothing for a moment, the seen point nearest to it is repeated.

        Raises:
            InputError: Nothing that is seen lies in the box or near it.
        """
        self.put(scene_state)
        return self._fuse(self.look(self.view.cameras))

    def _fuse(
        self, views: Sequence[View]
    ) -> Float[np.ndarray, "point 3"] | Float[np.ndarray, "point 6"]:
        view = self.view
        try:
            return fuse(
                views,
                self._box,
                view.points,
                geometry=view.geometry,
                sampling=view.sampling,
            )
        except InputError:
            nearest = nearest_point(views, self._box)
            if nearest is None:
                raise
            return np.tile(nearest, (view.points, 1))

    def look_for(self, cameras: Sequence[str], roles: Roles) -> list[View]:
        """Take depth with each camera; in place of colour what each pixel shows, an index of ROLES.

        The index stands in all three channels.
        """
        of_geoms = roles.bodies[self.model.geom_bodyid]
        of_kind = {"geom": of_geoms, "site": roles.sites}
        shown = [of_kind[part.kind][part.index] for part in self._zbuffer.parts]
        palette = np.array([*shown, REST], np.uint8)  # Label -1 takes the last.
        views = []
        for view, name in zip(self.look(cameras), cameras, strict=True):
            _, labels = self._zbuffer.render(self.data, self.camera(name))
            views.append(replace(view, colour=np.repeat(palette[labels][..., None], 3, axis=2)))
        return views

    def roles(
        self, scene_state: Float[np.ndarray, " scene"], roles: Roles
    ) -> UInt8[np.ndarray, " point"]:
        """Say what each point of a state's cloud lies on, as an index of ROLES."""
        self.put(scene_state)
        cloud = self._fuse(self.look_for(self.view.cameras, roles))
        return np.asarray(np.round(cloud[:, 3] * 255), np.uint8)

    def picture(self, camera: str, size: tuple[int, int]) -> UInt8[np.ndarray, "height width 3"]:
        """Take a plainly lit picture of any size (width, height) without OpenGL."""
        return self._zbuffer.picture(self.data, self.camera(camera, size))

    def image(self, camera: str) -> UInt8[np.ndarray, "height width 3"]:
        """Take the picture that a planner sees, and a store keeps: as the view has it, upright."""
        taken = self.camera(camera)
        if self.view.image == "flat":
            return upright(self._zbuffer.picture(self.data, taken), taken)
        picture = self.rgb(camera)
        return upright(picture, taken) if self.view.image == "gl" else picture

    def images(
        self, scene_state: Float[np.ndarray, " scene"]
    ) -> UInt8[np.ndarray, "height width channel"]:
        """Give the pictures of a state by every camera of the view, behind each other."""
        self.put(scene_state)
        return np.concatenate([self.image(name) for name in self.view.cameras], axis=-1)

    def rgb(self, camera: str) -> UInt8[np.ndarray, "height width 3"]:
        """Take a lit, textured picture (needs OpenGL)."""
        return self._opengl().rgb(self.data, camera)

    def depth(self, camera: str) -> Float[np.ndarray, "height width"]:
        """Take a depth image in metres; 0 where nothing was hit."""
        if self.view.depth == "zbuffer":
            return self._zbuffer.render(self.data, self.camera(camera))[0]
        return self._opengl().depth(self.data, camera)

    def _look(self, name: str) -> View:
        camera = self.camera(name)
        if self.view.depth == "gl":
            colour = self.rgb(name) if self.view.colour else None
            return View(camera, self._opengl().depth(self.data, name), colour)
        depth_m, labels = self._zbuffer.render(self.data, camera)
        return View(
            camera, depth_m, self._zbuffer.flat_colours(labels) if self.view.colour else None
        )

    def _opengl(self) -> GLRenderer:
        if self._gl is None:
            size = self.view.image_size
            self._gl = GLRenderer(self.model, size, size, two_sided=self._two_sided)
        return self._gl


def compile_with_cameras(model_path: str, cameras: dict[str, CameraConfig]) -> mujoco.MjModel:
    """Compile a task's XML, a file or its text, with the configured cameras added or moved.

    Raises:
        InputError: The XML does not open, or a camera's numbers are none of a camera.
    """
    read = mujoco.MjSpec.from_string if model_path.startswith("<") else mujoco.MjSpec.from_file
    try:
        spec = read(model_path)
    except ValueError as error:
        raise InputError(f"The task's model does not open: {error}") from error
    existing = {camera.name: camera for camera in spec.cameras}
    for name, wanted in cameras.items():
        check_camera(name, wanted)
        camera = existing.get(name) or spec.worldbody.add_camera(name=name)
        if wanted.position is not None:
            camera.pos = wanted.position
        if wanted.quaternion is not None:
            camera.quat = wanted.quaternion
            camera.alt.type = mujoco.mjtOrientation.mjORIENTATION_QUAT
        if wanted.fovy_deg is not None:
            camera.fovy = wanted.fovy_deg
    return spec.compile()
