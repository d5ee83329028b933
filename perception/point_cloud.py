"""From depth images to one cloud of N points: unproject, crop, fuse, sample, fill.

Compiled loops do the geometry: they give Open3D's points, bit for bit (a test holds them there), in
a third of its time and without its system libraries. Open3D itself, and its twin in NumPy, equal to
float rounding, are further choices.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Shaped

from perception.camera import Pinhole, hits, unproject
from perception.errors import InputError
from perception.lifting_kernel import lift
from perception.sampling import farthest_points

DEPTH_LIMIT_M = 1000.0  # Open3D wants a limit; the crop box is the one that matters.
NO_COLOUR = np.zeros((0, 0, 3), np.uint8)


@dataclass(frozen=True)
class View:
    """One camera's picture: metric depth, and colour if wanted.

    Depth of 0, below 0, infinite or not a number means that nothing was hit.

    Raises:
        InputError: The images are not of the camera's size; depth is in whole numbers (sensors give
            millimetres so), colour is not.
    """

    camera: Pinhole
    depth_m: Shaped[np.ndarray, "height width"]  # Of any type: it comes from outside.
    colour: Shaped[np.ndarray, "image_height image_width 3"] | None = None

    def __post_init__(self) -> None:
        """Refuse what would be lifted to wrong places."""
        size = (self.camera.height, self.camera.width)
        if not np.issubdtype(self.depth_m.dtype, np.floating):
            raise InputError(
                f"Depth must be metres as floating point numbers, not {self.depth_m.dtype}: divide"
                " by the sensor's scale first (1000 for millimetres)"
            )
        if self.depth_m.shape != size:
            raise InputError(f"The depth image is {self.depth_m.shape}, the camera {size}")
        if self.colour is None:
            return
        if self.colour.shape != (*size, 3) or self.colour.dtype != np.uint8:
            raise InputError(
                f"Colour must be {(*size, 3)} of uint8, not {self.colour.shape} of"
                f" {self.colour.dtype}"
            )


@dataclass(frozen=True)
class Box:
    """An axis-aligned box in the world, in metres; its faces belong to it.

    Raises:
        InputError: It has no inside along an axis, or a bound is not finite.
    """

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def __post_init__(self) -> None:
        """Refuse a box turned round: Open3D would swap its corners, and NumPy keep nothing."""
        for axis, low, high in zip("xyz", self.low, self.high, strict=True):
            if not (np.isfinite(low) and np.isfinite(high)):
                raise InputError(
                    f"The crop box must be finite along {axis}, not {low} (crop_low) to {high}"
                    " (crop_high)"
                )
            if low >= high:
                raise InputError(
                    f"The crop box holds nothing along {axis}: crop_low {low} must be less than"
                    f" crop_high {high}"
                )


def fuse(
    views: Sequence[View], box: Box, count: int, *, geometry: str = "auto", sampling: str = "auto"
) -> Float[np.ndarray, "count 3"] | Float[np.ndarray, "count 6"]:
    """Make one cloud of exactly `count` points out of every camera's view.

    Args:
        views: What each camera saw; all with colour or all without.
        box: What to keep of the world.
        count: Points wanted. A short cloud is filled by repeating its own points, never by zeros.
        geometry: `open3d`, `numba`, `numpy`, or `auto` (Numba).
        sampling: A back-end of `perception.sampling`.

    Returns:
        World-frame points in metres, float32, in pixel order; with colour, RGB in [0, 1] follows.

    Raises:
        InputError: Nothing lies inside the box, no points are wanted, or a back-end is missing.
    """
    if count < 1:
        raise InputError(f"A cloud has at least 1 point, not {count}")
    points = cropped(views, box, geometry=geometry)
    if len(points) == 0:
        raise InputError(
            f"No point lies inside the crop box {box.low} to {box.high}: {_extent(views)}"
        )
    return sampled(points, count, sampling=sampling)


def cropped(
    views: Sequence[View], box: Box, *, geometry: str = "auto"
) -> Float[np.ndarray, "point 3"] | Float[np.ndarray, "point 6"]:
    """Give all points that cameras see inside a box, as float32; see `fuse`."""
    lifted = LIFTS[resolve_geometry(geometry)]
    return np.concatenate([lifted(view, box) for view in views]).astype(np.float32, copy=False)


def sampled(
    points: Float[np.ndarray, "point 3"] | Float[np.ndarray, "point 6"],
    count: int,
    *,
    sampling: str = "auto",
) -> Float[np.ndarray, "count 3"] | Float[np.ndarray, "count 6"]:
    """Give exactly `count` of one point or more, repeated where they are fewer; see `fuse`."""
    if len(points) <= count:
        return points[np.sort(np.resize(np.arange(len(points)), count))]
    return np.asarray(points[farthest_points(points, count, backend=sampling)])


def _extent(views: Sequence[View]) -> str:
    """Say where the points lie that cameras see."""
    lifted = (unproject(view.depth_m, view.camera, limit_m=DEPTH_LIMIT_M) for view in views)
    points = np.concatenate(list(lifted))
    if len(points) == 0:
        return "the cameras see nothing at all; point them at the scene"
    low, high = points.min(axis=0).round(2).tolist(), points.max(axis=0).round(2).tolist()
    return (
        f"what the cameras see lies within {tuple(low)} to {tuple(high)}; move crop_low and"
        " crop_high, or the cameras"
    )


def inside(points: Float[np.ndarray, "point axis"], box: Box) -> Bool[np.ndarray, " point"]:
    """Tell which points lie inside a box."""
    kept = np.ones(len(points), bool)
    for axis in range(3):
        kept &= (points[:, axis] >= box.low[axis]) & (points[:, axis] <= box.high[axis])
    return kept


def numpy_points(view: View, box: Box) -> Float[np.ndarray, "point axis"]:
    """Lift a view to the world points inside a box, in NumPy."""
    points = unproject(view.depth_m, view.camera, limit_m=DEPTH_LIMIT_M)
    kept = inside(points, box)
    if view.colour is None:
        return np.asarray(points[kept])
    colour = view.colour[hits(view.depth_m, DEPTH_LIMIT_M)]
    return np.concatenate([points[kept], colour[kept] / 255.0], axis=1)


def open3d_points(view: View, box: Box) -> Float[np.ndarray, "point axis"]:
    """Lift a view to the world points inside a box, in Open3D (its legacy cloud, float64)."""
    open3d = _open3d()
    camera = view.camera
    intrinsic = open3d.camera.PinholeCameraIntrinsic(camera.width, camera.height, camera.intrinsics)
    depth = open3d.geometry.Image(np.ascontiguousarray(view.depth_m, np.float32))
    # Without depth_scale=1, Open3D 0.20 divides metric float depth by 1000.
    scale = {"depth_scale": 1.0, "depth_trunc": DEPTH_LIMIT_M}
    if view.colour is None:
        cloud = open3d.geometry.PointCloud.create_from_depth_image(
            depth, intrinsic, camera.camera_from_world, **scale
        )
    else:
        colour = open3d.geometry.Image(np.ascontiguousarray(view.colour))
        rgbd = open3d.geometry.RGBDImage.create_from_color_and_depth(
            colour, depth, convert_rgb_to_intensity=False, **scale
        )
        cloud = open3d.geometry.PointCloud.create_from_rgbd_image(
            rgbd, intrinsic, camera.camera_from_world
        )
    cloud = cloud.crop(open3d.geometry.AxisAlignedBoundingBox(box.low, box.high))
    points = np.asarray(cloud.points)
    return points if view.colour is None else np.concatenate([points, cloud.colors], axis=1)


def numba_points(view: View, box: Box) -> Float[np.ndarray, "point axis"]:
    """Lift a view to the world points inside a box, compiled; Open3D's points as float32."""
    camera = view.camera
    return np.asarray(
        lift(
            np.ascontiguousarray(view.depth_m, np.float32),
            NO_COLOUR if view.colour is None else np.ascontiguousarray(view.colour),
            camera.camera_from_world,
            camera.lens,
            DEPTH_LIMIT_M,
            np.array([box.low, box.high], np.float64),
        )
    )


Geometry = Literal["numba", "open3d", "numpy"]
LIFTS: dict[Geometry, Callable[[View, Box], Float[np.ndarray, "point axis"]]] = {
    "numba": numba_points,
    "open3d": open3d_points,
    "numpy": numpy_points,
}


@cache
def resolve_geometry(geometry: str) -> Geometry:
    """Turn `auto` into the fastest back-end, and refuse one that does not work here.

    Raises:
        InputError: It is unknown, or Open3D does not import.
    """
    if geometry == "auto":
        return "numba"
    if geometry not in LIFTS:
        raise InputError(f"geometry={geometry} is unknown; choose one of auto, {', '.join(LIFTS)}")
    if geometry == "open3d":
        try:
            _open3d()
        except ImportError as error:
            raise InputError(
                f"geometry=open3d does not import here: {error}. {APT_LINE}; geometry=numba gives"
                " the same points without it"
            ) from error
    return geometry


APT_LINE = (
    "On Debian: apt-get install -y --no-install-recommends libegl1 libgl1 libusb-1.0-0 libosmesa6"
)


@cache
def _open3d() -> Any:  # noqa: ANN401 (Open3D has no types)
    try:
        return importlib.import_module("open3d")
    except OSError as error:  # A missing system library, not a missing package.
        raise ImportError(str(error)) from error
