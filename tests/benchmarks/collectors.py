"""Making frames stage by stage: the plain way, the same tuned, and by the project's own parts."""

import shutil
from collections.abc import Callable
from pathlib import Path

import fpsample
import mujoco
import numcodecs
import numpy as np
import open3d
import zarr

from envs.config import EnvConfig
from envs.make import make_scene
from envs.rendering.gl import GLRenderer, choose_backend
from envs.simulator import Simulator
from perception.point_cloud import Box, View, numba_points, open3d_points
from perception.sampling import farthest_points


class PlainCollector:
    """Collects frames the plain way, stage by stage."""

    def __init__(self, config: EnvConfig, simulator: Simulator, folder: Path) -> None:
        choose_backend()
        self._simulator, self._view = simulator, config.view
        self._scene = make_scene(simulator, config)
        size = config.view.image_size
        self._renderer = mujoco.Renderer(self._scene.model, size, size)
        shutil.rmtree(folder, ignore_errors=True)
        group = zarr.open_group(folder, mode="w", zarr_format=2)
        codec = numcodecs.Blosc("zstd", clevel=3, shuffle=1)
        self._array = group.create_array(
            "point_cloud", shape=(0, 512, 6), chunks=(100, 512, 6), dtype="f4", compressors=codec
        )
        self.stages: dict[str, Callable[[], None]] = {
            "step": self.step,
            "rgb": self.rgb,
            "depth": self.depth,
            "cloud": self.cloud,
            "sampling": self.sample,
            "store": self.store,
        }
        self.step()

    def step(self) -> None:
        """Act, and bring the drawn data up to date."""
        self._simulator.step(np.zeros(self._simulator.action_size))
        self._scene.put(self._simulator.scene_state())

    def rgb(self) -> None:
        """Draw RGB at the model's default quality."""
        self._renderer.update_scene(self._scene.data, self._view.cameras[0])
        self._colour = self._renderer.render()

    def depth(self) -> None:
        """Draw metric depth."""
        self._renderer.enable_depth_rendering()
        self._renderer.update_scene(self._scene.data, self._view.cameras[0])
        self._depth_m = self._renderer.render()
        self._renderer.disable_depth_rendering()

    def cloud(self) -> None:
        """Back-project with Open3D, colour, crop with NumPy."""
        camera = self._scene.camera(self._view.cameras[0])
        intrinsic = open3d.camera.PinholeCameraIntrinsic(
            camera.width, camera.height, camera.intrinsics
        )
        image = open3d.geometry.Image(np.ascontiguousarray(self._depth_m, np.float32))
        cloud = open3d.geometry.PointCloud.create_from_depth_image(
            image, intrinsic, camera.camera_from_world, depth_scale=1.0, depth_trunc=1000.0
        )
        points = np.asarray(cloud.points)
        low, high = self._view.crop_low, self._view.crop_high
        kept = ((points >= low) & (points <= high)).all(axis=1)
        self._points = np.concatenate([points, self._colour.reshape(-1, 3)], axis=1)[kept]

    def sample(self) -> None:
        """Sample with fpsample's exact algorithm."""
        chosen = fpsample.fps_sampling(
            self._points[:, :3], min(512, len(self._points)), start_idx=0
        )
        self._sampled = self._points[np.resize(chosen, 512)]

    def store(self) -> None:
        """Append one frame."""
        self._array.append(self._sampled[None].astype(np.float32))


class TunedCollector:
    """Collects the same frames with the same libraries, as someone does who measures.

    No picture is drawn that no cloud is made of; OpenGL draws without shadows and multisampling;
    fpsample uses its k-d tree. Storing is measured apart: whole episodes at once.
    """

    def __init__(self, config: EnvConfig, simulator: Simulator) -> None:
        self._simulator, self._scene = simulator, make_scene(simulator, config)
        self._camera, size = config.view.cameras[0], config.view.image_size
        self._gl = GLRenderer(self._scene.model, size, size)
        self._box = Box(config.view.crop_low, config.view.crop_high)
        self.stages: dict[str, Callable[[], None]] = {
            "step": self.step,
            "depth": self.depth,
            "cloud": self.cloud,
            "sampling": self.sample,
        }
        self.step()

    def step(self) -> None:
        """Act, and bring the drawn data up to date."""
        self._simulator.step(np.zeros(self._simulator.action_size))
        self._scene.put(self._simulator.scene_state())

    def depth(self) -> None:
        """Draw metric depth."""
        self._depth_m = self._gl.depth(self._scene.data, self._camera)

    def cloud(self) -> None:
        """Back-project and crop with Open3D."""
        view = View(self._scene.camera(self._camera), self._depth_m)
        self._points = open3d_points(view, self._box).astype(np.float32)

    def sample(self) -> None:
        """Sample exactly, with fpsample's k-d tree."""
        count = min(512, len(self._points))
        chosen = fpsample.bucket_fps_kdline_sampling(self._points, count, h=5, start_idx=0)
        self._sampled = self._points[np.resize(chosen, 512)]


class OurCollector:
    """The same frames by the project's own parts, stage by stage."""

    def __init__(self, config: EnvConfig, simulator: Simulator) -> None:
        self._simulator, self._scene = simulator, make_scene(simulator, config)
        self._view = config.view
        self.stages: dict[str, Callable[[], None]] = {
            "step": self.step,
            "depth": self.depth,
            "cloud": self.cloud,
            "sampling": self.sample,
        }
        self.step()

    def step(self) -> None:
        """Act, and show the state to the scene."""
        self._simulator.step(np.zeros(self._simulator.action_size))
        self._scene.put(self._simulator.scene_state())

    def depth(self) -> None:
        """Draw metric depth by the z-buffer."""
        self._depth_m = self._scene.depth(self._view.cameras[0])

    def cloud(self) -> None:
        """Lift and crop by compiled loops."""
        view = View(self._scene.camera(self._view.cameras[0]), self._depth_m)
        self._points = numba_points(view, Box(self._view.crop_low, self._view.crop_high))

    def sample(self) -> None:
        """Sample exactly by blocks."""
        self._sampled = self._points[farthest_points(self._points, min(512, len(self._points)))]
