"""Pictures for stores that have none, without OpenGL: of the recorded scene, or of its cloud.

DP3's AdroitDataset reads `img` and trains nothing on it. Where the simulator's state was recorded,
the store's first camera draws it in flat colours. Where it was not, the points are projected: by
the store's first camera, or, where that is not known either, by one that stands aside and looks
down at all of them; near points hide far ones, and are dark where they have no colour.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from datasets.store.store import EpisodeStore
from envs.make import make_scene, make_simulator
from perception.camera import Pinhole, project
from perception.errors import InputError

logger = logging.getLogger(__name__)

Draw = Callable[[slice], UInt8[np.ndarray, "time height width 3"]]
SIZE = 84  # DP3's.
FOVY_DEG = 45.0
SPLAT = 3  # Pixels that a point is wide, of 84.
SAMPLED_EPISODES = 50
MARGIN = 1.1  # Around nearly all points; a few may be measured far away.
ASIDE = np.array([0.0, -1.0, 1.0]) / np.sqrt(2)  # From the points to the camera that sees all.


def drawn_pictures(store: EpisodeStore) -> tuple[Draw, str]:
    """Choose how to draw the pictures of a store's steps.

    Returns:
        What draws steps, and a few words on what they show.
    """
    if "sim_state" in store.names and "env" in store.identity:
        try:
            return _of_scenes(store), "the recorded simulator state in flat colours"
        except InputError as error:
            logger.warning("The simulator cannot draw %s (%s)", store.path, error)
    camera = known_camera(store.attributes.get("cameras"))
    which = "the first camera" if camera else "a camera that sees all points"
    return CloudPictures.of(store, camera).draw, f"the points as {which} sees them"


def _of_scenes(store: EpisodeStore) -> Draw:
    env = store.env
    scene = make_scene(make_simulator(env), env)
    size = (env.view.image_size, env.view.image_size)

    def draw(rows: slice) -> UInt8[np.ndarray, "time height width 3"]:
        pictures = []
        for state in store.read("sim_state", rows):
            scene.put(state)
            pictures.append(scene.picture(env.view.cameras[0], size))
        return np.stack(pictures)

    return draw


@dataclass(frozen=True)
class CloudPictures:
    """Draws a store's clouds as one camera sees them.

    Attributes:
        store: The store.
        camera: Which looks at them.
        depths: The nearest and the farthest depth, between which grey runs.
    """

    store: EpisodeStore
    camera: Pinhole
    depths: tuple[float, float]

    @classmethod
    def of(cls, store: EpisodeStore, camera: Pinhole | None) -> "CloudPictures":
        """Look at the first cloud of some episodes: where the camera stands, how grey runs."""
        every = -(-store.episodes // SAMPLED_EPISODES)
        starts = [store.rows(index).start for index in range(0, store.episodes, every)]
        clouds = [store.read("point_cloud", slice(row, row + 1))[0, :, :3] for row in starts]
        points = np.concatenate(clouds).astype(np.float64)
        camera = camera or _camera_over(points)
        depth = project(points, camera)[1]
        return cls(store, camera, (float(depth.min()), float(depth.max())))

    def draw(self, rows: slice) -> UInt8[np.ndarray, "time height width 3"]:
        """Draw the clouds of some steps, on white."""
        return np.stack([self._picture(cloud) for cloud in self.store.read("point_cloud", rows)])

    def _picture(
        self, cloud: Float[np.ndarray, "point channel"]
    ) -> UInt8[np.ndarray, "height width 3"]:
        height, width = self.camera.height, self.camera.width
        picture = np.full((height, width, 3), 255, np.uint8)
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels, depth = project(cloud[:, :3].astype(np.float64), self.camera)
        colours = self._colours(cloud, depth)
        seen = (depth > 0) & np.isfinite(pixels).all(axis=1) & (np.abs(pixels) < 1e6).all(axis=1)
        order = np.flatnonzero(seen)[np.argsort(-depth[seen])]  # Far ones first: near ones stay.
        wide = max(round(SPLAT * width / SIZE), 1)
        offset = np.stack(np.meshgrid(*[np.arange(wide) - wide // 2] * 2), -1).reshape(-1, 2)
        places = (np.rint(pixels[order]).astype(int)[:, None] + offset).reshape(-1, 2)
        painted = np.repeat(colours[order], len(offset), axis=0)
        inside = ((places >= 0) & (places < [width, height])).all(axis=1)
        picture[places[inside, 1], places[inside, 0]] = painted[inside]
        return picture

    def _colours(
        self, cloud: Float[np.ndarray, "point channel"], depth: Float[np.ndarray, " point"]
    ) -> UInt8[np.ndarray, "point 3"]:
        if cloud.shape[1] == 6:
            return np.asarray(np.rint(np.clip(cloud[:, 3:], 0, 1) * 255), np.uint8)
        near, far = self.depths
        grey = np.clip((depth - near) / max(far - near, 1e-9), 0, 1) * 200
        return np.asarray(np.repeat(grey[:, None], 3, axis=1), np.uint8)


def known_camera(cameras: Any) -> Pinhole | None:  # noqa: ANN401 (any JSON)
    """Read the first camera that a store names; None where it names none."""
    try:
        said = next(iter(cameras.values()))
        lens = np.array(said["intrinsics"], np.float64).reshape(3, 3)
        pose = np.array(said["world_from_camera"], np.float64).reshape(4, 4)
    except (AttributeError, StopIteration, KeyError, TypeError, ValueError):
        return None
    width, height = (round(2 * lens[axis, 2] + 1) for axis in (0, 1))
    fx, fy = float(lens[0, 0]), float(lens[1, 1])
    usable = np.isfinite(pose).all() and min(fx, fy) > 0 and 0 < min(width, height) <= 4096
    return Pinhole(width, height, fx, pose, fy) if usable else None


def _camera_over(points: Float[np.ndarray, "point 3"]) -> Pinhole:
    """Place a camera aside and above, that sees nearly all points whole."""
    centre = np.median(points, axis=0)
    distances = np.linalg.norm(points - centre, axis=1)
    radius = max(MARGIN * float(np.quantile(distances, 0.99)), 1e-6)
    pose, forward = np.eye(4), -ASIDE
    right = np.array([1.0, 0.0, 0.0])
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = centre + ASIDE * radius / np.sin(np.deg2rad(FOVY_DEG / 2))
    return Pinhole.from_fovy(FOVY_DEG, (SIZE, SIZE), world_from_camera=pose)
