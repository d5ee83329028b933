"""The pinhole camera: pixels and depths to world points, and back.

The camera frame is that of Open3D and OpenCV: x to the right, y down, z forward. Pixel (u, v) has
its centre at the whole numbers u and v, so the principal point of an image of width W lies at
(W - 1) / 2: Open3D back-projects whole numbers, and W / 2 would shift its cloud by half a pixel.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Bool, Float, Shaped, UInt8

from perception.errors import InputError

LENSES_KEPT = 16
RIGID = 1e-4  # How far a rotation's axes may be from being of length 1 and at right angles.


@dataclass(frozen=True)
class Pinhole:
    """An ideal camera, looking from a pose in the world.

    Attributes:
        width: Image width in pixels.
        height: Image height in pixels.
        focal_px: Focal length in pixels, along x.
        world_from_camera: Rigid transform; its last column is the camera's position in metres.
        focal_y_px: Focal length along y; None: pixels are square.
        centre_px: Where the optical axis meets the image (u, v); None: in its middle.

    Raises:
        InputError: The image has no pixels, a focal length is not positive, the principal point is
            not finite, or the pose is not a rotation and a position.
    """

    width: int
    height: int
    focal_px: float
    world_from_camera: Float[np.ndarray, "4 4"]
    focal_y_px: float | None = None
    centre_px: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Refuse what no camera is."""
        if self.width < 1 or self.height < 1:
            raise InputError(f"An image of {self.width} x {self.height} pixels shows nothing")
        for focal_px in self.lens[:2]:
            if not 0 < focal_px < np.inf:
                raise InputError(f"A focal length must be more than 0 pixels, not {focal_px}")
        if not np.isfinite(self.principal_point).all():
            raise InputError(f"A principal point must be finite, not {self.principal_point}")
        if (fault := _fault(self.world_from_camera)) is not None:
            raise InputError(
                "A camera's pose must be a rotation and a position in metres (4 x 4, finite);"
                f" {fault}: {np.asarray(self.world_from_camera).tolist()}"
            )

    @classmethod
    def from_fovy(
        cls, fovy_deg: float, size: tuple[int, int], *, world_from_camera: Float[np.ndarray, "4 4"]
    ) -> "Pinhole":
        """Make the camera whose vertical field of view is `fovy_deg`; `size` is (width, height).

        Raises:
            InputError: The field of view is not between 0 and 180 degrees; or as for the class.
        """
        if not 0 < fovy_deg < 180:
            raise InputError(
                f"A vertical field of view lies between 0 and 180 degrees, not at {fovy_deg}"
            )
        width, height = size
        focal_px = 0.5 * height / np.tan(0.5 * np.deg2rad(fovy_deg))
        return cls(width, height, float(focal_px), world_from_camera)

    @classmethod
    def from_intrinsics(
        cls,
        intrinsics: Shaped[np.ndarray, "..."],
        size: tuple[int, int],
        world_from_camera: Float[np.ndarray, "4 4"],
    ) -> "Pinhole":
        """Make the camera of a matrix K, as OpenCV and ROS give it; `size` is (width, height).

        Raises:
            InputError: K is no matrix of a camera without skew; or as for the class.
        """
        if intrinsics.shape != (3, 3) or intrinsics.dtype.kind not in "fiu":
            raise InputError(
                "K must be 3 x 3 real numbers, [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], not"
                f" {intrinsics.dtype} of {intrinsics.shape}"
            )
        (fx, skew, cx), (below, fy, cy), last = intrinsics.astype(np.float64).tolist()
        if (skew, below, *last) != (0, 0, 0, 0, 1):
            raise InputError(
                f"K must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], not {intrinsics.tolist()}"
            )
        width, height = size
        return cls(width, height, fx, world_from_camera, fy, (cx, cy))

    @property
    def principal_point(self) -> tuple[float, float]:
        """Where the optical axis meets the image, in pixels (u, v)."""
        return self.centre_px or ((self.width - 1) / 2, (self.height - 1) / 2)

    @property
    def lens(self) -> tuple[float, float, float, float]:
        """Focal lengths along x and y, and the principal point (u, v): all in pixels."""
        focal_y_px = self.focal_px if self.focal_y_px is None else self.focal_y_px
        return self.focal_px, focal_y_px, *self.principal_point

    @property
    def intrinsics(self) -> Float[np.ndarray, "3 3"]:
        """The matrix K from camera-frame points to homogeneous pixels."""
        fx, fy, cx, cy = self.lens
        return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])

    @cached_property
    def camera_from_world(self) -> Float[np.ndarray, "4 4"]:
        """The inverse of `world_from_camera` (Open3D and OpenCV call it the extrinsic)."""
        rotation, position = self.world_from_camera[:3, :3], self.world_from_camera[:3, 3]
        inverse = np.eye(4)
        inverse[:3, :3] = rotation.T
        inverse[:3, 3] = -rotation.T @ position
        return inverse


def _fault(pose: Float[np.ndarray, "4 4"]) -> str | None:
    """Say why a transform is not a rotation and a shift; None where it is."""
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        return "this is not even 4 x 4 finite numbers"
    rotation = pose[:3, :3]
    if (pose[3] != [0, 0, 0, 1]).any():
        return "the last row of this one is not 0, 0, 0, 1 (is it transposed?)"
    if np.abs(rotation @ rotation.T - np.eye(3)).max() >= RIGID:
        return "the axes of this one are not of length 1 at right angles"
    return "this one mirrors the world (an axis is turned round)" if _mirrors(rotation) else None


def _mirrors(axes: Float[np.ndarray, "3 3"]) -> bool:
    return bool(np.linalg.det(axes) < 0)


def project(
    points_world: Float[np.ndarray, "point 3"], camera: Pinhole
) -> tuple[Float[np.ndarray, "point 2"], Float[np.ndarray, " point"]]:
    """Give the pixel (u, v) and the depth in metres of each world point."""
    camera_from_world = camera.camera_from_world
    points_camera = points_world @ camera_from_world[:3, :3].T + camera_from_world[:3, 3]
    depth_m = points_camera[:, 2]
    fx, fy, cx, cy = camera.lens
    pixels = np.array([fx, fy]) * points_camera[:, :2] / depth_m[:, None] + (cx, cy)
    return pixels, depth_m


def unproject(
    depth_m: Float[np.ndarray, "height width"], camera: Pinhole, *, limit_m: float = np.inf
) -> Float[np.ndarray, "point 3"]:
    """Give the world point behind each pixel of a metric depth image, row by row.

    Args:
        depth_m: Depth along the optical axis (not along the ray); 0 where nothing was hit.
        camera: The camera that took it.
        limit_m: Pixels at least this deep are left out, as those without a hit are.

    Raises:
        ValueError: The image is not of the camera's size.
    """
    if depth_m.shape != (camera.height, camera.width):
        raise ValueError(
            f"The depth image is {depth_m.shape}, the camera {(camera.height, camera.width)}"
        )
    hit = hits(depth_m, limit_m)
    rays_camera = _rays_camera(camera.width, camera.height, camera.lens)[hit]
    points_camera = rays_camera * depth_m[hit].astype(np.float64)[:, None]
    rotation, position = camera.world_from_camera[:3, :3], camera.world_from_camera[:3, 3]
    return np.asarray(points_camera @ rotation.T + position)


def hits(
    depth_m: Float[np.ndarray, "height width"], limit_m: float
) -> Bool[np.ndarray, "height width"]:
    """Tell which pixels see something nearer than a limit."""
    return np.asarray((depth_m > 0) & (depth_m < limit_m))


def upright(
    pictures: UInt8[np.ndarray, "*lead height width 3"], camera: Pinhole
) -> UInt8[np.ndarray, "*lead height width 3"]:
    """Turn the pictures of a camera that hangs upside down (Meta-World's do) by half a turn."""
    return turned(pictures) if hangs(camera) else pictures


def hangs(camera: Pinhole) -> bool:
    """Tell whether a camera hangs upside down: its downward axis points up in the world."""
    return bool(camera.world_from_camera[2, 1] > 0.1)


def turned(
    pictures: UInt8[np.ndarray, "*lead height width 3"],
) -> UInt8[np.ndarray, "*lead height width 3"]:
    """Turn pictures by half a turn."""
    return np.ascontiguousarray(pictures[..., ::-1, ::-1, :])


@lru_cache(maxsize=LENSES_KEPT)  # Who shows pictures from afar may bring any number of them.
def _rays_camera(
    width: int, height: int, lens: tuple[float, float, float, float]
) -> Float[np.ndarray, "height width 3"]:
    """Direction of each pixel in the camera frame, advancing one metre along the axis."""
    fx, fy, cx, cy = lens
    u, v = np.meshgrid(np.arange(width), np.arange(height))
    x, y = (u - cx) / fx, (v - cy) / fy
    return np.stack([x, y, np.ones_like(x)], axis=-1)
