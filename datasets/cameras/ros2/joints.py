"""Positions of joints over time, as measured or as commanded, each joint by its name."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32

from datasets.cameras.ros2.bag import SECOND, Message
from datasets.cameras.ros2.kinds import NUMBERS, STATE
from datasets.cameras.ros2.transforms import AbsentError
from perception.errors import InputError


@dataclass
class Joints:
    """What a topic says of joints: (stamps, positions) by a joint's name, in the order met.

    A message may be of some joints only (an arm's and a gripper's may take turns), in any order.
    """

    topic: str
    series: dict[str, tuple[list[int], list[float]]] = field(default_factory=dict)

    def add(self, message: Message) -> None:
        """Take a message.

        Raises:
            InputError: It has no position of each joint that it names, or one that is not finite.
        """
        (names, positions), stamp = _read(message), message.stamp_ns
        if len(names) != len(positions):
            raise InputError(
                f"{self.topic}: a message names {len(names)} joints and has {len(positions)}"
                " positions"
            )
        for name, position in zip(names, positions, strict=True):
            if not np.isfinite(position):
                raise InputError(f"{self.topic}: the position of {name} is {position}")
            stamps, values = self.series.setdefault(name, ([], []))
            if stamps and stamp < stamps[-1]:
                raise InputError(
                    f"{self.topic}: {name} at {stamp / SECOND:.3f} s comes after one at"
                    f" {stamps[-1] / SECOND:.3f} s: its clock was set back"
                )
            stamps.append(stamp)
            values.append(position)

    def last(
        self, names: tuple[str, ...], stamp: int, stale_s: float
    ) -> Float32[np.ndarray, " joint"]:
        """Give the newest position of each joint at a time.

        Raises:
            AbsentError: There is none so new.
        """
        return self._read(names, stamp, stale_s, step=-1)

    def next(
        self, names: tuple[str, ...], stamp: int, stale_s: float
    ) -> Float32[np.ndarray, " joint"]:
        """Give the first position of each joint from a time on.

        Raises:
            AbsentError: There is none so soon.
        """
        return self._read(names, stamp, stale_s, step=1)

    def _read(
        self, names: tuple[str, ...], stamp: int, stale_s: float, step: int
    ) -> Float32[np.ndarray, " joint"]:
        values = []
        for name in names:
            stamps, positions = self.series[name]
            index = bisect_right(stamps, stamp) - 1 if step < 0 else bisect_left(stamps, stamp)
            side = "before" if step < 0 else "after"
            if not 0 <= index < len(stamps):
                raise AbsentError(f"nothing of joint {name} ({self.topic}) {side} it")
            if (away := abs(stamp - stamps[index]) / SECOND) > stale_s:
                raise AbsentError(
                    f"the nearest position of joint {name} ({self.topic}) is {away:.3f} s"
                    f" {side} it, more than {stale_s} s (stale_s)"
                )
            values.append(positions[index])
        return np.array(values, np.float32)


def _read(message: Message) -> tuple[list[str], list[float]]:
    """Give names and positions; joints without names are called by their number."""
    body: Any = message.body
    if message.kind == STATE:
        return list(body.name) or _numbered(body.position), list(body.position)
    if message.kind == NUMBERS:
        return _numbered(body.data), list(body.data)
    if len(body.points) != 1:
        raise InputError(
            f"{message.topic}: a trajectory of {len(body.points)} points is no command of one step"
        )
    return list(body.joint_names), list(body.points[0].positions)


def _numbered(values: Any) -> list[str]:  # noqa: ANN401 (a message's field)
    return [str(index) for index in range(len(values))]
