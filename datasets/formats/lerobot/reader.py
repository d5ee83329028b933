"""Episodes of a LeRobot dataset: numbers, clouds and pictures of each together."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from datasets.episode import Episode, Recording
from datasets.formats.lerobot.depths import read_depths
from datasets.formats.lerobot.described import Described, Feature
from datasets.formats.lerobot.pictures import pictured, read_pictures
from datasets.formats.lerobot.recorded import Recorded
from datasets.formats.lerobot.sight import Lifted
from datasets.formats.lerobot.tables import Frames, as_array, read_frames
from datasets.formats.shared.source import ReadOptions
from perception.errors import InputError

STATE, ACTION, REWARD, SUCCESS = "observation.state", "action", "next.reward", "next.success"


@dataclass(frozen=True)
class Reader:
    """Reads episodes one by one.

    Attributes:
        described: The dataset.
        sight: What gives its clouds.
        states: The features that are the robot's state, in this order.
        images: The pictures to keep, by their names in a store.
    """

    described: Described
    sight: Recorded | Lifted
    states: tuple[str, ...]
    images: Mapping[str, Feature]

    def read(self, index: int) -> Episode:
        """Read an episode.

        Raises:
            InputError: A part is missing, damaged or not finite.
        """
        described, number = self.described, self.described.number(index)
        file, steps = described.data_file(index), described.lengths[index]
        where = f"{described.root.name}, episode {number}"
        frames = read_frames(file, number, steps, self._keys())
        points = self.sight.points(index, frames, where)
        return Episode(self._recording(frames, where), points, self._pictures(index, frames, where))

    def _keys(self) -> list[str]:
        optional = [key for key in (REWARD, SUCCESS) if key in self.described.features]
        images = [one.key for one in self.images.values() if one.dtype != "video"]
        return [*self.states, ACTION, *optional, *self.sight.keys, *images]

    def _recording(self, frames: Frames, where: str) -> Recording:
        states = [self._numbers(frames, key, where) for key in self.states]
        rewards = self._numbers(frames, REWARD, where).ravel() if REWARD in frames else None
        reached = self._numbers(frames, SUCCESS, where).ravel() if SUCCESS in frames else None
        return Recording(
            np.concatenate(states, axis=1),
            self._numbers(frames, ACTION, where),
            rewards,
            None if reached is None else reached > 0.5,
            None,
            None,
        )

    def _numbers(self, frames: Frames, key: str, where: str) -> Float32[np.ndarray, "time number"]:
        """Give a feature flat."""
        values = as_array(frames, key, self.described.features[key].shape, where)
        flat = values.reshape(len(values), -1).astype(np.float32)
        if not (finite := np.isfinite(flat).all(axis=1)).all():
            step = int(np.argmin(finite))
            raise InputError(f"{where}, frame {step}: {key} holds NaN or infinity: mend it")
        return flat

    def _pictures(self, index: int, frames: Frames, where: str) -> dict[str, np.ndarray]:
        return {
            name: (read_depths if one.is_depth else read_pictures)(
                self.described, index, one, frames, where
            )
            for name, one in self.images.items()
        }


def state_keys(described: Described, options: ReadOptions) -> tuple[str, ...]:
    """Name the features that are the robot's state.

    Raises:
        InputError: One is not there, or the actions are not.
    """
    keys = options.state_keys or (STATE,)
    for key in (*keys, ACTION):
        one = described.features.get(key)
        if one is None or one.is_picture:
            there = [k for k, f in described.features.items() if not f.is_picture]
            remedy = "" if key == ACTION else "name the robot's state by state_keys=; "
            raise InputError(
                f"{described.root.name} has no {key}: {remedy}there are {', '.join(there)}"
            )
    if len(described.features[ACTION].shape) != 1:
        raise InputError(
            f"{described.root.name}: {ACTION} is {described.features[ACTION].shape} at each frame;"
            " (number,) is expected"
        )
    return tuple(keys)


def images_of(described: Described, kinds: tuple[str, ...]) -> dict[str, Feature]:
    """Name the pictures to keep as a store does: `img`, or `img_<camera>` of several cameras.

    Raises:
        InputError: There are none of a kind.
    """
    depths = [f for f in described.features.values() if f.is_depth]
    found = {"img": pictured(described), "depth": depths}
    for kind in kinds:
        if not found[kind]:
            raise InputError(
                f"{described.root.name} has no {kind} to keep: leave images=[{kind}] out"
            )
    return {
        kind if len(found[kind]) == 1 else f"{kind}_{one.camera}": one
        for kind in kinds
        for one in found[kind]
    }
