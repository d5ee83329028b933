"""Clouds that a LeRobot dataset holds as arrays, as this project writes them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from datasets.formats.lerobot.described import Described, Feature
from datasets.formats.lerobot.tables import Frames, as_array, read_frames
from datasets.formats.shared.clouds import check_shape, cleaned, colour_scale
from datasets.formats.shared.source import ReadOptions


def cloud_of(described: Described, point_key: str) -> Feature | None:
    """Find the cloud: by its name, or as what is marked as one; None where there is none."""
    features = described.features
    named = (features[key] for key in (point_key, f"observation.{point_key}") if key in features)
    marked = (f for f in features.values() if f.info.get("is_point_cloud") is True)
    return next((f for f in (*named, *marked) if not f.is_picture), None)


@dataclass(frozen=True)
class Recorded:
    """Clouds as recorded.

    Attributes:
        described: The dataset.
        cloud: Which feature they are.
        count: Points wanted; None keeps their number.
        colour: False drops colours, None keeps what there is.
        scale: What full colour is: 1 or 255.
    """

    described: Described
    cloud: Feature
    count: int | None
    colour: bool | None
    scale: float

    @classmethod
    def of(cls, described: Described, cloud: Feature, options: ReadOptions) -> "Recorded":
        """Look through all colours, if there are any, for what full colour is.

        Raises:
            InputError: They are no clouds, or colours are wanted and missing, or of no known scale.
        """
        where = f"{described.root.name}: {cloud.key}"
        check_shape((1, *cloud.shape), options.colour, where)
        scale = 1.0
        if options.colour is not False and cloud.shape[-1] > 3:
            scale = colour_scale(_all(described, cloud), where)
        return cls(described, cloud, options.points, options.colour, scale)

    @property
    def keys(self) -> list[str]:
        """What a table must have."""
        return [self.cloud.key]

    def points(self, index: int, frames: Frames, where: str) -> np.ndarray:
        """Give the clouds of an episode.

        Raises:
            InputError: They cannot be read, or one is empty.
        """
        clouds = as_array(frames, self.cloud.key, self.cloud.shape, where)
        return cleaned(clouds, count=self.count, colour=self.colour, scale=self.scale, where=where)


def _all(described: Described, cloud: Feature) -> Iterator[np.ndarray]:
    for index, steps in enumerate(described.lengths):
        file, number = described.data_file(index), described.number(index)
        frames = read_frames(file, number, steps, [cloud.key])
        yield as_array(frames, cloud.key, cloud.shape, f"{file.name}, episode {number}")
