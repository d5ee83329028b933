"""The pictures of stores, decoded for those who learn from them."""

import logging
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from datasets.store.store import EpisodeStore
from perception.errors import InputError

logger = logging.getLogger(__name__)

STEPS = 1000  # Decoded at a time.


def recorded_pictures(
    stores: Sequence[EpisodeStore],
) -> UInt8[np.ndarray, "step height width channel"]:
    """Decode the pictures of every step, those of several cameras behind each other.

    Raises:
        InputError: A store holds none, or others than bytes; or the stores differ in their size.
    """
    for path in (store.path for store in stores if "env" not in store.identity):
        logger.warning(
            "%s was recorded elsewhere: while playing, pictures are drawn as env.view has it"
            " (cameras, image_size, image)",
            path,
        )
    sizes = {str(store.path): _size(store) for store in stores}
    if len(set(sizes.values())) > 1:
        raise InputError(f"The stores differ in the size of their pictures: {sizes}")
    steps = sum(store.steps for store in stores)
    pictures, row = np.empty((steps, *next(iter(sizes.values()))), np.uint8), 0
    for store in stores:
        for start in range(0, store.steps, STEPS):
            values = pictures_at(store, slice(start, start + STEPS))
            pictures[row : row + len(values)] = values
            row += len(values)
    return pictures


def pictures_at(store: EpisodeStore, rows: slice) -> UInt8[np.ndarray, "step height width channel"]:
    """Decode the pictures of some steps of a store.

    Raises:
        InputError: It holds none.
    """
    return np.concatenate([store.read(name, rows) for name in picture_names(store)], axis=-1)


def picture_names(store: EpisodeStore) -> list[str]:
    """Name the arrays of a store's pictures, in the order of its cameras.

    Raises:
        InputError: It lacks one.
    """
    cameras = store.env.view.cameras if "env" in store.identity else ()
    several = [f"img_{camera}" for camera in cameras] if len(cameras) > 1 else []
    elsewhere = [] if cameras else [name for name in store.names if name.startswith("img")]
    wanted = several or elsewhere or ["img"]
    if missing := [name for name in wanted if name not in store.names]:
        raise InputError(
            f"{store.path} has no data/{missing[0]}: datasets/render.py data={store.path}"
            " out=<another> images=[img] draws pictures of its recorded states"
        )
    return wanted


def _size(store: EpisodeStore) -> tuple[int, ...]:
    """Give height, width and channels of one step.

    Raises:
        InputError: They are no pictures of bytes, or those of several cameras differ in size.
    """
    names = picture_names(store)
    first = [store.read(name, slice(0, 1)) for name in names]
    for name, picture in zip(names, first, strict=True):
        same = picture.shape[1:3] == first[0].shape[1:3]
        if picture.dtype != np.uint8 or picture.ndim != 4 or picture.shape[-1] != 3 or not same:
            raise InputError(
                f"{store.path}: data/{name} is {picture.dtype} of {picture.shape[1:]}: pictures to"
                " learn from are bytes of (height, width, 3), of one size; convert or draw them"
                " again"
            )
    height, width, _ = first[0].shape[1:]
    return height, width, 3 * len(names)
