"""Recordings of ROS 2 as episodes: depths are lifted as those of a live camera are."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datasets.cameras.draft import Draft
from datasets.cameras.frames import Frame, Limits
from datasets.cameras.ros2.bag import SECOND, read_messages
from datasets.cameras.ros2.choosing import Asked, Chosen, choose
from datasets.cameras.ros2.contents import Contents, read_contents
from datasets.cameras.ros2.images import depth_of
from datasets.cameras.ros2.moments import Moment, moments_of
from datasets.cameras.steps import Step, Told, read_step
from datasets.episode import Episode
from envs.config import ViewConfig
from perception.errors import InputError

LIMITS = Limits()


@dataclass(frozen=True)
class Recording:
    """One recording, of which all but the images was read.

    Attributes:
        path: Its file.
        chosen: What is read of it.
        moments: Its steps.
        left_out: Images at the beginning and the end for which something is missing.
        commands: Topics that might be the action, and are not read.
    """

    path: Path
    chosen: Chosen
    moments: Sequence[Moment]
    left_out: int
    commands: tuple[str, ...]

    def steps(self, view: ViewConfig, images: Sequence[str]) -> Iterator[Step]:
        """Read its steps, in order; images are decoded one by one.

        Raises:
            InputError: The file is damaged, or an image makes no sense.
        """
        ready: dict[int, Step] = {}
        number = 0
        for index, depths in self._depths():
            ready[index] = self._step(index, depths, view, images)
            while number in ready:
                yield ready.pop(number)
                number += 1

    def _depths(self) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        """Give the images of each step, as soon as all of them were met."""
        cameras = {camera.topic: (n, camera) for n, camera in self.chosen.cameras.items()}
        steps = _users(self.moments)
        met = dict.fromkeys(cameras, -1)
        waiting: dict[int, dict[str, np.ndarray]] = defaultdict(dict)
        for message in read_messages(self.path, lambda channel: channel.topic in cameras):
            met[message.topic] += 1
            name, camera = cameras[message.topic]
            users = steps.get((name, met[message.topic]), [])
            if not users:
                continue
            try:
                depth = depth_of(message, camera.lens.size)
            except InputError as error:
                raise InputError(f"{self._where(users[0])}: {message.topic}: {error}") from error
            for step in users:
                waiting[step][name] = depth
                if len(waiting[step]) == len(cameras):
                    yield step, waiting.pop(step)

    def _step(
        self, index: int, depths: dict[str, np.ndarray], view: ViewConfig, images: Sequence[str]
    ) -> Step:
        moment, cameras = self.moments[index], self.chosen.cameras
        frame = Frame(
            depth=depths,
            intrinsics={name: camera.lens.matrix for name, camera in cameras.items()},
            world_from_camera=moment.poses,
            robot_state=moment.robot_state,
            distortion={n: np.array(camera.lens.distortion) for n, camera in cameras.items()},
            stamp=moment.stamp_ns / SECOND,
        )
        told = Told(np.asarray(moment.action))
        try:
            return read_step(frame, told, view, images, LIMITS)
        except InputError as error:
            raise InputError(f"{self._where(index)}: {error}") from error

    def _where(self, index: int) -> str:
        return f"{self.path.name}, step {index} at {self.moments[index].stamp_ns / SECOND:.3f} s"

    def episode(self, view: ViewConfig, images: Sequence[str]) -> Episode:
        """Read it whole.

        Raises:
            InputError: It is damaged, or a step makes no sense.
        """
        draft = Draft(None, len(self.moments))
        for step in self.steps(view, images):
            draft.add(step)
        return draft.finish(None)


def _users(moments: Sequence[Moment]) -> dict[tuple[str, int], list[int]]:
    """Give the steps that each image belongs to, by camera and number."""
    users: dict[tuple[str, int], list[int]] = defaultdict(list)
    for index, moment in enumerate(moments):
        for image in moment.images.items():
            users[image].append(index)
    return users


def read_recordings(paths: Sequence[Path], asked: Asked) -> list[Recording]:
    """Read all of some recordings but their images.

    Raises:
        InputError: One is damaged, lacks something, or is unlike the first.
    """
    recordings: list[Recording] = []
    for path in paths:
        contents = read_contents(path)
        chosen = choose(contents, asked)
        if recordings:
            chosen = _alike(recordings[0], chosen, path)
        moments, left_out = moments_of(contents, chosen, LIMITS)
        recordings.append(Recording(path, chosen, moments, left_out, _commands(contents, chosen)))
    return recordings


def _commands(contents: Contents, chosen: Chosen) -> tuple[str, ...]:
    if chosen.actions:
        return ()
    return tuple(topic for topic in contents.joints if topic not in chosen.states)


def _alike(first: Recording, chosen: Chosen, path: Path) -> Chosen:
    """Give what is read of a further recording, its joints in the order of the first.

    Raises:
        InputError: It has other cameras, joints or frames.
    """
    own = first.chosen
    for what in ("states", "actions"):
        ours, theirs = getattr(own, what), getattr(chosen, what)
        if {t: set(n) for t, n in ours.items()} != {t: set(n) for t, n in theirs.items()}:
            raise InputError(
                f"{path.name}: joints are {_listed(theirs)}, and {_listed(ours)} in"
                f" {first.path.name}"
            )
    if (own.cameras, own.world) != (chosen.cameras, chosen.world):
        raise InputError(
            f"{path.name}: clouds are of {_seen(chosen)}, and of {_seen(own)} in {first.path.name}"
        )
    return own


def _listed(joints: object) -> str:
    return "; ".join(f"{t}: {', '.join(n)}" for t, n in dict(joints).items())  # type: ignore[call-overload]


def _seen(chosen: Chosen) -> str:
    cameras = [
        f"{camera.topic} ({camera.lens.size[0]} x {camera.lens.size[1]}, K"
        f" {[round(number, 3) for number in camera.lens.intrinsics]})"
        for camera in chosen.cameras.values()
    ]
    return f"{', '.join(cameras)} in frame {chosen.world}"
