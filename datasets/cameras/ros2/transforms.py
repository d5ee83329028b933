"""The tree of frames of reference that a robot published, and where a frame is at a time.

A frame that moves is interpolated between the two transforms around the time, as tf2 does:
positions in a straight line, rotations along the shortest arc. Nothing is extrapolated.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from datasets.cameras.ros2.bag import SECOND, nanoseconds
from perception.errors import InputError

Pose = Float[np.ndarray, "4 4"]
UNIT = 1e-2  # How far from 1 a quaternion's length may be: some programs round.


class AbsentError(InputError):
    """Something is not there, or too old, at one moment."""


@dataclass
class Edge:
    """Where a frame is in its parent.

    Attributes:
        parent: Of whose frame.
        is_fixed: Whether it holds at all times.
        samples: Of (stamp, position, quaternion x, y, z, w); the last is the newest.
    """

    parent: str
    is_fixed: bool
    samples: list[tuple[int, np.ndarray, np.ndarray]] = field(default_factory=list)

    def at(self, stamp: int, stale_s: float, name: str) -> Pose:
        """Give the transform from the frame to its parent.

        Raises:
            AbsentError: Nothing was published around that time.
        """
        if self.is_fixed:
            return _matrix(*self.samples[-1][1:])
        after = bisect_right(self.samples, stamp, key=lambda sample: sample[0])
        before = after - 1
        if before >= 0 and self.samples[before][0] == stamp:
            return _matrix(*self.samples[before][1:])
        if before < 0 or after == len(self.samples):
            side = "before" if before < 0 else "after"
            raise AbsentError(f"{side} all transforms of {name}")
        (early, *first), (late, *second) = self.samples[before], self.samples[after]
        away = (stamp - early) / SECOND, (late - stamp) / SECOND
        if min(away) > stale_s:
            raise AbsentError(
                f"no transform of {name} within {stale_s} s (stale_s): the nearest are"
                f" {away[0]:.3f} s before and {away[1]:.3f} s after"
            )
        share = (stamp - early) / (late - early)
        position = (1 - share) * first[0] + share * second[0]
        return _matrix(position, _turned(first[1], second[1], share))


@dataclass
class Transforms:
    """All of them, by the name of the frame."""

    edges: dict[str, Edge] = field(default_factory=dict)

    def add(self, transforms: Iterable[Any], *, is_fixed: bool) -> None:
        """Take what a message says.

        Raises:
            InputError: A transform is none, or a frame has two parents.
        """
        for one in transforms:
            child, parent = one.child_frame_id.lstrip("/"), one.header.frame_id.lstrip("/")
            edge = self.edges.setdefault(child, Edge(parent, is_fixed))
            if (edge.parent, edge.is_fixed) != (parent, is_fixed):
                raise InputError(
                    f"frame {child} is placed in {edge.parent} and in {parent}, or both as fixed"
                    " and as moving: record one of them"
                )
            edge.samples.append((nanoseconds(one.header.stamp), *_read(one.transform, child)))

    def order(self) -> None:
        """Sort what was published by time."""
        for edge in self.edges.values():
            edge.samples.sort(key=lambda sample: sample[0])

    def root(self, frame: str) -> str:
        """Give the frame that all above a frame hang on."""
        return self._above(frame)[-1]

    def pose(self, world: str, frame: str, stamp: int, stale_s: float) -> Pose:
        """Give where a frame is in another one: a transform from the first to the second.

        Raises:
            InputError: The two are not connected.
            AbsentError: A transform between them was not published around that time.
        """
        ours, theirs = self._above(frame), self._above(world)
        common = next((one for one in ours if one in theirs), None)
        if common is None:
            raise InputError(
                f"no transforms lead from {frame} to {world}: {frame} hangs on {ours[-1]}, {world}"
                f" on {theirs[-1]}; choose another world_frame=, or record /tf and /tf_static"
            )
        top = [self._within(names, common, stamp, stale_s) for names in (theirs, ours)]
        return np.asarray(np.linalg.inv(top[0]) @ top[1])

    def _within(self, names: list[str], common: str, stamp: int, stale_s: float) -> Pose:
        pose = np.eye(4)
        for name in names[: names.index(common)]:
            pose = self.edges[name].at(stamp, stale_s, name) @ pose
        return pose

    def _above(self, frame: str) -> list[str]:
        names = [frame]
        while names[-1] in self.edges:
            parent = self.edges[names[-1]].parent
            if parent in names:
                raise InputError(f"the transforms of {', '.join(names)} go in a circle")
            names.append(parent)
        return names


def _read(transform: Any, child: str) -> tuple[np.ndarray, np.ndarray]:  # noqa: ANN401
    """Give position and quaternion (x, y, z, w) of a message's transform."""
    place, turn = transform.translation, transform.rotation
    position = np.array([place.x, place.y, place.z])
    quaternion = np.array([turn.x, turn.y, turn.z, turn.w])
    length = float(np.linalg.norm(quaternion))
    if not np.isfinite(position).all() or not abs(length - 1) < UNIT:
        raise InputError(
            f"the transform of {child} is none: translation {position.tolist()}, rotation"
            f" {quaternion.tolist()} (a quaternion x, y, z, w of length 1)"
        )
    return position, quaternion / length


def _turned(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Interpolate two rotations along the shortest arc (Shoemake, 1985)."""
    cosine = float(first @ second)
    second, cosine = (second, cosine) if cosine >= 0 else (-second, -cosine)
    angle = np.arccos(min(cosine, 1.0))
    if angle < 1e-6:
        mixed = (1 - share) * first + share * second
    else:
        mixed = np.sin((1 - share) * angle) * first + np.sin(share * angle) * second
    return np.asarray(mixed / np.linalg.norm(mixed))


def _matrix(position: np.ndarray, quaternion: np.ndarray) -> Pose:
    x, y, z, w = quaternion
    pose = np.eye(4)
    pose[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    pose[:3, 3] = position
    return pose
