"""One moment as cameras and a robot report it, read for a view: how its clouds are made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from jaxtyping import Float, Float32, Shaped

from envs.config import ViewConfig
from perception.camera import Pinhole
from perception.distortion import Undistortion
from perception.errors import InputError
from perception.misplaced import explain
from perception.point_cloud import Box, View, cropped, sampled
from perception.sensors import check_lens, depth_in_metres

Array = Shaped[np.ndarray, "..."]
ByCamera = Array | Mapping[str, Array]
IDEAL = np.zeros(5)


@dataclass(frozen=True)
class Frame:
    """One moment. What is of a camera is one array, or arrays by the cameras' names.

    Attributes:
        depth: (height, width); uint16 is millimetres, floating point metres; 0: nothing was hit.
        intrinsics: K, 3 x 3, in pixels.
        world_from_camera: 4 x 4: where the camera stands (metres), x right, y down, z ahead.
        robot_state: The robot's own sensors, in the order and units of the training data.
        colour: (height, width, 3) of uint8, where the planner sees colour.
        distortion: OpenCV's k1, k2, p1, p2, k3, where the pictures are not undistorted yet.
        stamp: When it was taken, in seconds of any clock.
    """

    depth: ByCamera
    intrinsics: ByCamera
    world_from_camera: ByCamera
    robot_state: Array
    colour: ByCamera | None = None
    distortion: ByCamera | None = None
    stamp: float | None = None


@dataclass(frozen=True)
class Limits:
    """What is still taken for a sound frame.

    Attributes:
        least_points: In the crop box; a view of fewer points needs only these.
        longest_gap_s: Between the stamps of a frame and of the one before it.
    """

    least_points: int = 50
    longest_gap_s: float = 1.0


def read_cloud(
    frame: Frame, view: ViewConfig, limits: Limits
) -> Float[np.ndarray, "point 3"] | Float[np.ndarray, "point 6"]:
    """Make the cloud of a frame as the data's were made: lifted, cropped, fused, sampled.

    Raises:
        InputError: A part of the frame cannot be right; its camera is named.
    """
    views = read_views(frame, view)
    return make_cloud(views, in_box(views, view), view, limits)


def in_box(views: Sequence[View], view: ViewConfig) -> list[Float[np.ndarray, "_ axis"]]:
    """Give the points that each camera sees inside the crop box (float32)."""
    box = Box(view.crop_low, view.crop_high)
    return [cropped([one], box, geometry=view.geometry) for one in views]


def make_cloud(
    views: Sequence[View],
    inside: Sequence[Float[np.ndarray, "_ axis"]],
    view: ViewConfig,
    limits: Limits,
) -> Float[np.ndarray, "point 3"] | Float[np.ndarray, "point 6"]:
    """Fuse and sample the points inside the crop box.

    Args:
        views: What each camera saw.
        inside: Of each, what lies inside; see `in_box`.
        view: How the cloud is made.
        limits: What is still taken for a sound frame.

    Raises:
        InputError: They are too few; what would help is said.
    """
    points, least = np.concatenate(inside), min(limits.least_points, view.points)
    if len(points) < max(least, 1):
        raise InputError(explain(views, Box(view.crop_low, view.crop_high), least))
    return sampled(points, view.points, sampling=view.sampling)


def read_views(frame: Frame, view: ViewConfig) -> list[View]:
    """Read what each camera saw, in the order in which a view fuses them.

    Raises:
        InputError: Something cannot be right; its camera is named.
    """
    names = view.cameras
    parts = {
        "depth": _by_camera(frame.depth, names, "depth"),
        "intrinsics": _by_camera(frame.intrinsics, names, "intrinsics"),
        "world_from_camera": _by_camera(frame.world_from_camera, names, "world_from_camera"),
    }
    if view.colour and frame.colour is None:
        raise InputError("The view has colour: give colour=")
    if view.colour and frame.colour is not None:
        parts["colour"] = _by_camera(frame.colour, names, "colour")
    if frame.distortion is not None:
        parts["distortion"] = _by_camera(frame.distortion, names, "distortion")
    views = []
    for name in names:
        try:
            views.append(_view({part: arrays[name] for part, arrays in parts.items()}))
        except InputError as error:
            raise InputError(f"Camera {name}: {error}") from error
    return views


def read_numbers(values: Array, wanted: int, what: str) -> Float32[np.ndarray, " number"]:
    """Read the robot's own sensors, or an action.

    Args:
        values: As they came.
        wanted: How many there must be.
        what: Their name, for messages.

    Raises:
        InputError: They are not so many finite numbers.
    """
    if values.shape != (wanted,) or values.dtype.kind not in "fiu":
        raise InputError(
            f"{what} must be {wanted} real numbers, not {values.dtype} of {values.shape}"
        )
    numbers = values.astype(np.float32)
    for index in np.flatnonzero(~np.isfinite(numbers))[:1]:
        raise InputError(f"{what}[{index}] is {values[index]}, not a finite number")
    return numbers


class LateError(InputError):
    """A frame is not newer than the one before it."""


class DroppedError(InputError):
    """Frames are missing between one and the one before it."""


def check_stamp(stamp: float | None, last: float | None, limits: Limits, remedy: str) -> None:
    """Refuse a frame that came late, or after others were dropped.

    Args:
        stamp: Of the frame.
        last: Of the one before it.
        limits: See `Limits`.
        remedy: What to do where frames were dropped, and why.

    Raises:
        LateError: Its stamp is not newer than the last one's.
        DroppedError: It is too much newer.
        InputError: It is none.
    """
    if stamp is not None and not isfinite(stamp):
        raise InputError(f"stamp must be a finite number of seconds, not {stamp}")
    if stamp is None or last is None:
        return
    gap_s = stamp - last
    if gap_s <= 0:
        raise LateError(
            f"The frame of stamp {stamp:.3f} s came late: one of {last:.3f} s was there before;"
            " leave it out"
        )
    if gap_s > limits.longest_gap_s:
        raise DroppedError(
            f"{gap_s:.3f} s lie between this frame and the one before it, more than"
            f" {limits.longest_gap_s} s: frames were dropped, and {remedy}"
        )


def made_up(view: ViewConfig, robot_state: int) -> Frame:
    """Make up a frame in which all cameras see the middle of the crop box, to compile loops with.

    Args:
        view: Whose cameras see.
        robot_state: How many numbers the robot's own sensors give.
    """
    pose = np.eye(4)
    pose[:3, 3] = np.add(view.crop_low, view.crop_high) / 2 - [0, 0, 1]
    lens = np.array([[1e6, 0, 31.5], [0, 1e6, 31.5], [0, 0, 1]])

    def of_each(part: Array) -> ByCamera:
        return dict.fromkeys(view.cameras, part)

    return Frame(
        depth=of_each(np.ones((64, 64), np.float32)),
        intrinsics=of_each(lens),
        world_from_camera=of_each(pose),
        robot_state=np.zeros(robot_state),
        colour=of_each(np.zeros((64, 64, 3), np.uint8)),
    )


def _by_camera(part: ByCamera, names: tuple[str, ...], what: str) -> Mapping[str, Array]:
    """Give a part of each camera.

    Raises:
        InputError: The cameras are not those of the view.
    """
    listed = ", ".join(names)
    if not isinstance(part, Mapping):
        if len(names) > 1:
            raise InputError(
                f"The view has {len(names)} cameras ({listed}): give {what} as arrays by"
                " their names"
            )
        return {names[0]: np.asarray(part)}
    if set(part) != set(names):
        raise InputError(
            f"{what} is of the cameras {', '.join(map(str, part)) or 'none'}, and the view is"
            f" of {listed}"
        )
    return {name: np.asarray(part[name]) for name in names}


def _view(parts: Mapping[str, Array]) -> View:
    """Read what one camera saw."""
    depth_m, colour = depth_in_metres(parts["depth"]), parts.get("colour")
    height, width = depth_m.shape
    pose = parts["world_from_camera"]
    if pose.dtype.kind not in "fiu" or pose.shape != (4, 4):
        raise InputError(
            f"world_from_camera must be 4 x 4 real numbers, not {pose.dtype} of {pose.shape}"
        )
    pose = pose.astype(np.float64)
    camera = Pinhole.from_intrinsics(parts["intrinsics"], (width, height), pose)
    check_lens(camera)
    view = View(camera, depth_m, colour)
    lens = parts.get("distortion", IDEAL)
    if lens.dtype.kind in "fiu" and not lens.any():
        return view
    table = Undistortion.of(camera, lens)
    return View(camera, table.apply(depth_m), None if colour is None else table.apply(colour))
