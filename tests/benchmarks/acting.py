"""How fast a planner acts on what a real camera sees: 640 x 480 pixels, one core.

The reference lifts and crops with Open3D, and samples with Open3D's farthest points, as DP3's own
scripts would with its library; for a whole action, the planner of equal weights follows.
"""

import importlib
from collections.abc import Callable

import numpy as np
import torch

from configs.command import compose_part
from datasets.cameras.frames import Frame, Limits, read_cloud, read_views
from envs.config import EnvConfig, ViewConfig
from envs.make import make_scene, make_simulator
from envs.rendering.zbuffer import ZBuffer
from perception.observation import Observation
from perception.point_cloud import Box, open3d_points
from policy.planner.denoisers.mixer import Config as MixerConfig
from policy.rollouts.actor import Actor
from tests.benchmarks.planners import make_plain, make_planner
from tests.benchmarks.timing import Entry, entry, seconds
from tests.conftest import task_config

SIZE = (640, 480)
ROUNDS = 15
OPEN3D = "Open3D: create_from_depth_image, crop, farthest_point_down_sample"


def benchmark() -> dict[str, list[Entry]]:
    """Measure from depth to cloud, and to actions, in milliseconds."""
    env = task_config("adroit-door")
    frame, view = door_frame(env), env.view
    actor = Actor(make_planner(compose_part(MixerConfig, "denoiser", "mixer"), 2).eval(), view)
    theirs = in_open3d(view)
    clouds = {
        "ours": lambda: read_cloud(frame, view, Limits()),
        OPEN3D: lambda: theirs(frame),
    }
    acts = {
        "ours": lambda: actor.act(**vars(frame)),
        f"{OPEN3D}; the planner plain": in_open3d_with_plain(actor, frame, theirs),
    }
    points = len(open3d_points(read_views(frame, view)[0], Box(view.crop_low, view.crop_high)))
    name = f"640 x 480 depth, {points} points in the crop box"
    return {
        "acting": [
            *_entries(f"{name}: cloud of {view.points}", clouds),
            *_entries(f"{name}: act, mixer of two steps", acts),
        ]
    }


def door_frame(env: EnvConfig) -> Frame:
    """See the door's start as a depth camera of this size would."""
    simulator = make_simulator(env)
    simulator.reset(0)
    scene = make_scene(simulator, env)
    scene.put(simulator.scene_state())
    camera = scene.camera(env.view.cameras[0], SIZE)
    depth_m, _ = ZBuffer(scene.model).render(scene.data, camera)
    state = simulator.robot_state().astype(np.float32)
    return Frame(depth_m, camera.intrinsics, camera.world_from_camera, state)


def in_open3d(view: ViewConfig) -> Callable[[Frame], np.ndarray]:
    """Make a cloud by Open3D alone."""
    open3d = importlib.import_module("open3d")
    box = open3d.geometry.AxisAlignedBoundingBox(view.crop_low, view.crop_high)

    def cloud(frame: Frame) -> np.ndarray:
        (seen,) = read_views(frame, view)
        camera = seen.camera
        lens = open3d.camera.PinholeCameraIntrinsic(camera.width, camera.height, camera.intrinsics)
        lifted = open3d.geometry.PointCloud.create_from_depth_image(
            open3d.geometry.Image(seen.depth_m),
            lens,
            camera.camera_from_world,
            depth_scale=1.0,
            depth_trunc=1000.0,
        )
        few = lifted.crop(box).farthest_point_down_sample(view.points)
        return np.asarray(few.points, np.float32)

    return cloud


def in_open3d_with_plain(
    actor: Actor, frame: Frame, cloud: Callable[[Frame], np.ndarray]
) -> Callable[[], np.ndarray]:
    """Act by a cloud of Open3D's and the planner of the same weights that computes plainly."""
    plain, generator = make_plain(actor.planner), torch.Generator().manual_seed(0)
    state = torch.from_numpy(np.asarray(frame.robot_state))[None, None].repeat(1, 2, 1)

    @torch.no_grad()
    def act() -> np.ndarray:
        points = torch.from_numpy(cloud(frame))[None, None].repeat(1, 2, 1, 1)
        contexts = plain.encode(Observation(points, state))
        chain = plain.sample(contexts, plain.noises([generator]))
        return plain.to_actions(chain.plan).numpy()

    return act


def _entries(name: str, sides: dict[str, Callable[[], object]]) -> list[Entry]:
    times = {side: 1000 * taken for side, taken in seconds(sides, ROUNDS, warm_up=2).items()}
    ours = times.pop("ours")
    return [
        entry(name, ours=ours, reference=taken, unit="ms", reference_is=side)
        for side, taken in times.items()
    ]
