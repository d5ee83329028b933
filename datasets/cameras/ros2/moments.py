"""The steps of a recording: one for each depth image, with what belongs to it.

Topics have rates of their own. A step is an image of the first camera; with it go the image of each
other camera that is nearest in time, the newest position of each joint before it, where the cameras
stood then (transforms), and the action: the first command from then on, or, where no commands were
chosen, the state of the next step. All of it lies within `stale_s` of the image. Images before
the first of everything and after the last are left out; one in between has to have everything.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from jaxtyping import Float32

from datasets.cameras.frames import Limits, check_stamp
from datasets.cameras.ros2.bag import SECOND
from datasets.cameras.ros2.choosing import Chosen
from datasets.cameras.ros2.contents import Contents
from datasets.cameras.ros2.transforms import AbsentError, Pose
from perception.errors import InputError

Readings = Float32[np.ndarray, " reading"]
Actions = Float32[np.ndarray, " action"]
CUT = "the recording has a hole: cut it into two there"


@dataclass(frozen=True)
class Moment:
    """A step.

    Attributes:
        stamp_ns: Of the first camera's image.
        images: By camera, the number of its image within its topic.
        poses: By camera, where it stood in the world.
        robot_state: Positions of the joints.
        action: What was commanded, or the next step's state; None until that is known.
    """

    stamp_ns: int
    images: Mapping[str, int]
    poses: Mapping[str, Pose]
    robot_state: Readings
    action: Readings | Actions | None


def moments_of(contents: Contents, chosen: Chosen, limits: Limits) -> tuple[list[Moment], int]:
    """Give the steps, and how many images at the beginning and the end are none.

    Raises:
        InputError: Something is missing in the middle or at all, or images came late or were lost.
    """
    clock = next(iter(chosen.cameras.values())).topic
    stamps = contents.images[clock].stamps_ns
    found = list(_found(contents, chosen, sorted(range(len(stamps)), key=stamps.__getitem__)))
    whole = [number for number, one in enumerate(found) if isinstance(one, Moment)]
    if not whole:
        raise InputError(f"{contents.path.name}: not one image of {clock} can be used: {found[0]}")
    moments = []
    for one in found[whole[0] : whole[-1] + 1]:
        if isinstance(one, AbsentError):
            raise InputError(f"{contents.path.name}: {one}; {CUT}")
        moments.append(one)
    _check_clock(contents, clock, moments, limits)
    left_out = len(stamps) - len(moments)
    if not chosen.actions:
        moments = [replace(one, action=then.robot_state) for one, then in pairwise(moments)]
    if not moments:
        raise InputError(f"{contents.path.name}: one image is no episode, as nothing follows it")
    return moments, left_out


def _found(contents: Contents, chosen: Chosen, order: list[int]) -> Iterator[Moment | AbsentError]:
    """Give what belongs to each image, or what is missing."""
    clock = next(iter(chosen.cameras.values())).topic
    for index in order:
        stamp = contents.images[clock].stamps_ns[index]
        try:
            yield _moment(contents, chosen, stamp, index)
        except AbsentError as error:
            yield AbsentError(f"image {index} of {clock}, at {stamp / SECOND:.3f} s: {error}")
        except InputError as error:
            raise InputError(f"{contents.path.name}: {error}") from error


def _moment(contents: Contents, chosen: Chosen, stamp: int, index: int) -> Moment:
    first, *others = chosen.cameras
    images, poses, stale_s = {first: index}, {}, chosen.stale_s
    for name in others:
        own = contents.images[chosen.cameras[name].topic].stamps_ns
        images[name] = _nearest(own, stamp, stale_s, name)
    for name, camera in chosen.cameras.items():
        at = contents.images[camera.topic].stamps_ns[images[name]]
        poses[name] = contents.transforms.pose(chosen.world, camera.frame, at, stale_s)
    joints = contents.joints
    state = [joints[t].last(names, stamp, stale_s) for t, names in chosen.states.items()]
    action = [joints[t].next(names, stamp, stale_s) for t, names in chosen.actions.items()]
    together = np.concatenate(action) if action else None
    return Moment(stamp, images, poses, np.concatenate(state), together)


def _nearest(stamps: list[int], stamp: int, stale_s: float, camera: str) -> int:
    away = np.abs(np.array(stamps) - stamp)
    index = int(away.argmin())
    if away[index] > stale_s * SECOND:
        raise AbsentError(
            f"the nearest image of camera {camera} is {away[index] / SECOND:.3f} s away, more than"
            f" {stale_s} s (stale_s)"
        )
    return index


def _check_clock(contents: Contents, clock: str, moments: list[Moment], limits: Limits) -> None:
    """Refuse images of one time, and holes.

    Raises:
        InputError: There is one.
    """
    for before, one in pairwise(moments):
        try:
            stamps = one.stamp_ns / SECOND, before.stamp_ns / SECOND
            check_stamp(*stamps, limits, CUT)
        except InputError as error:
            raise InputError(f"{contents.path.name}: {clock}: {error}") from error
