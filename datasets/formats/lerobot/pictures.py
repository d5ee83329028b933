"""Pictures of a LeRobot dataset: image files or videos, as bytes of red, green and blue."""

import numpy as np
from jaxtyping import UInt8

from datasets.formats.lerobot.described import Described, Feature
from datasets.formats.lerobot.films import RGB, film_frames, image_frames
from datasets.formats.lerobot.tables import Frames
from perception.errors import InputError


def picture_of(described: Described, camera: str) -> Feature | None:
    """Find the pictures of a camera; None where there are none."""
    return next((f for f in pictured(described) if f.camera == camera), None)


def pictured(described: Described) -> list[Feature]:
    """Name all pictures that are no depth."""
    return [f for f in described.features.values() if f.is_picture and not f.is_depth]


def read_pictures(
    described: Described, index: int, feature: Feature, frames: Frames, where: str
) -> UInt8[np.ndarray, "time height width 3"]:
    """Read the pictures of an episode.

    Raises:
        InputError: They cannot be read, or differ in size.
    """
    if feature.dtype == "video":
        path, start_s = described.film(index, feature.key)
        return film_frames(path, start_s, described.rate, described.lengths[index], RGB)
    column = frames[feature.key]
    images = image_frames(column, described.root, f"{where}: {feature.key}")
    pictures = [np.asarray(image.convert("RGB")) for image in images]
    if len({picture.shape for picture in pictures}) != 1:
        raise InputError(f"{where}: the images of {feature.key} differ in size")
    return np.stack(pictures)
