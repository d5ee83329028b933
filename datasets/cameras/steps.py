"""One step of a recorded episode: a frame read as a planner would see it, and what was done."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite

import numpy as np
from jaxtyping import Float, Float32

from datasets.cameras.frames import Array, Frame, Limits, in_box, make_cloud, read_numbers
from datasets.cameras.frames import read_views as read_frame
from envs.config import ViewConfig
from perception.camera import hits
from perception.errors import InputError
from perception.point_cloud import DEPTH_LIMIT_M, View


@dataclass(frozen=True)
class Told:
    """What a robot says of a step beside its frame.

    Attributes:
        action: What it does next.
        reward: Of the step.
        success: Whether the goal is reached at this step.
    """

    action: Array
    reward: float | None = None
    success: bool | None = None


@dataclass(frozen=True)
class Step:
    """One step, ready to be kept.

    Attributes:
        views: What each camera saw, undistorted; with colour where it was sent.
        cloud: Of all of them.
        robot_state: The robot's own sensors.
        action: What was done.
        told: What the robot said of it.
        stamp: When it was seen, in seconds.
        further: What else is kept, by its name in the store.
    """

    views: dict[str, View]
    cloud: Float[np.ndarray, "point axis"]
    robot_state: Float32[np.ndarray, " reading"]
    action: Float32[np.ndarray, " number"]
    told: Told
    stamp: float | None
    further: dict[str, np.ndarray]


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # What is not finite is refused.
def read_step(
    frame: Frame, told: Told, view: ViewConfig, images: Sequence[str], limits: Limits
) -> Step:
    """Read a step; its cloud is the one that `Actor` would make.

    Args:
        frame: What cameras and robot report.
        told: What the robot says beside it.
        view: How clouds are made.
        images: What to keep beside them: `img`, `depth`.
        limits: What is still taken for a sound frame.

    Raises:
        InputError: Something cannot be right; a camera is named where it is of one.
    """
    views = read_views(frame, view, images)
    seen = views if view.colour else [replace(one, colour=None) for one in views]
    inside = in_box(seen, view)
    cloud = make_cloud(seen, inside, view, limits)
    if told.reward is not None and not isfinite(told.reward):
        raise InputError(f"reward is {told.reward}, not a finite number")
    named = dict(zip(view.cameras, views, strict=True))
    further = {"points_in_box": np.array([len(points) for points in inside], np.int32)}
    further |= {**_seen(views), **_pictures(named, images)}
    if frame.stamp is not None:
        further["stamp"] = np.array(frame.stamp, np.float64)
    robot_state, action = (np.asarray(values) for values in (frame.robot_state, told.action))
    return Step(
        views=named,
        cloud=cloud,
        robot_state=read_numbers(robot_state, max(robot_state.size, 1), "robot_state"),
        action=read_numbers(action, max(action.size, 1), "action"),
        told=told,
        stamp=frame.stamp,
        further=further,
    )


def read_views(frame: Frame, view: ViewConfig, images: Sequence[str]) -> list[View]:
    """Read what each camera saw, with colour wherever it was sent.

    Raises:
        InputError: Something cannot be right, or pictures are to be kept and none came.
    """
    if "img" in images and frame.colour is None:
        raise InputError("images=[img] keeps pictures: give colour=")
    return read_frame(frame, replace(view, colour=view.colour or frame.colour is not None))


def _seen(views: Sequence[View]) -> dict[str, np.ndarray]:
    """Say of each camera where it stood, how many pixels had a depth, and from where to where."""
    depths = [one.depth_m[hits(one.depth_m, DEPTH_LIMIT_M)] for one in views]
    ranges = [(d.min(), d.max()) if len(d) else (0, 0) for d in depths]
    return {
        "world_from_camera": np.stack([one.camera.world_from_camera for one in views]),
        "points_seen": np.array([len(d) for d in depths], np.int32),
        "depth_range_m": np.array(ranges, np.float32),
    }


def _pictures(views: dict[str, View], images: Sequence[str]) -> dict[str, np.ndarray]:
    """Give what is kept of pictures, by its name in a store."""
    parts = {"img": lambda one: one.colour, "depth": lambda one: one.depth_m}
    return {
        kind if len(views) == 1 else f"{kind}_{name}": parts[kind](one)
        for kind in images
        for name, one in views.items()
    }
