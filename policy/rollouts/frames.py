"""One moment as cameras and a robot report it, read for the view that a planner was trained on."""

from collections.abc import Mapping
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
    box = Box(view.crop_low, view.crop_high)
    points = cropped(views, box, geometry=view.geometry)
    least = min(limits.least_points, view.points)
    if len(points) < max(least, 1):
        raise InputError(explain(views, box, least))
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
        raise InputError("This planner sees colour: give colour=")
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


def read_robot_state(values: Array, wanted: int) -> Float32[np.ndarray, " reading"]:
    """Read the robot's own sensors.

    Raises:
        InputError: They are not so many finite numbers.
    """
    if values.shape != (wanted,) or values.dtype.kind not in "fiu":
        raise InputError(
            f"robot_state must be {wanted} real numbers, not {values.dtype} of {values.shape}"
        )
    state = values.astype(np.float32)
    for index in np.flatnonzero(~np.isfinite(state))[:1]:
        raise InputError(f"robot_state[{index}] is {values[index]}, not a finite number")
    return state


def check_stamp(stamp: float | None, last: float | None, limits: Limits) -> None:
    """Refuse a frame that came late, or after others were dropped.

    Raises:
        InputError: Its stamp is not newer than the last one's, or too much so.
    """
    if stamp is not None and not isfinite(stamp):
        raise InputError(f"stamp must be a finite number of seconds, not {stamp}")
    if stamp is None or last is None:
        return
    gap_s = stamp - last
    if gap_s <= 0:
        raise InputError(
            f"The frame of stamp {stamp:.3f} s came late: one of {last:.3f} s was there before;"
            " leave it out"
        )
    if gap_s > limits.longest_gap_s:
        raise InputError(
            f"{gap_s:.3f} s lie between this frame and the one before it, more than"
            f" {limits.longest_gap_s} s: frames were dropped, and the history would not be as in"
            " training; reset() begins anew"
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
                f"This planner sees with {len(names)} cameras ({listed}): give {what} as arrays by"
                " their names"
            )
        return {names[0]: np.asarray(part)}
    if set(part) != set(names):
        raise InputError(
            f"{what} is of the cameras {', '.join(map(str, part)) or 'none'}, and this planner sees"
            f" with {listed}"
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
