"""Written for DP3: its Zarr, version 2, as its ReplayBuffer reads it.

    data/point_cloud (step, point, 3 or 6) float32, metres    data/state  (step, reading) float32
    data/img    (step, height, width, 3)   uint8              data/action (step, action)  float32
    data/depth  (step, height, width)      float32, metres    meta/episode_ends (episode,) int64

Source: DP3's `gen_demonstration_expert.py` and `common/replay_buffer.py` (zarr 2.12). Positions are
plain float32 here, in the world frame; colours, where there are any, are 0 to 1 and not 0 to 255.
DP3's encoder reads the first three columns by default. What the store says of itself is kept in
the attributes, which DP3 does not read. Rewards, successes and simulator states have no place.
Of several cameras each has its own `img_<camera>` and `depth_<camera>`, which DP3 leaves unread;
`img` is the first one's then. DP3's loader wants `img` though it learns nothing of it: where a
store has no pictures, they are drawn without OpenGL (datasets/formats/shared/drawn_pictures.py).
"""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr

from datasets.formats.shared.drawn_pictures import drawn_pictures
from datasets.formats.shared.exporter import walk, whole
from datasets.formats.shared.exporting import picture_reader
from datasets.store.store import EpisodeStore
from perception.errors import InputError

logger = logging.getLogger(__name__)

SUFFIX = None  # It ends in .zarr, as our own stores do.
CHUNK_STEPS = 100
COMPRESSOR = numcodecs.Blosc(cname="zstd", clevel=3, shuffle=numcodecs.Blosc.SHUFFLE)  # DP3's.
Read = Callable[[slice], np.ndarray]
DTYPES = {"point_cloud": "f4", "state": "f4", "action": "f4", "img": "u1", "depth": "f4"}


def write(store: EpisodeStore, out: Path) -> None:
    """Write every episode of a store as DP3 keeps them.

    Raises:
        InputError: The store has no clouds, or `out` exists or is being written.
    """
    if "point_cloud" not in store.names:
        raise InputError(
            f"DP3 reads clouds and {store.path} has none: draw them first (datasets/render.py)"
        )
    with whole(out) as aside:
        readers, drawn = _readers(store)
        group = zarr.open_group(aside, mode="w", zarr_format=2)
        group.attrs.update({"made_from": store.attributes, **drawn})
        arrays = {n: _create(group, store.steps, n, read) for n, read in readers.items()}
        for _, rows in walk(store, "to DP3"):
            for name, array in arrays.items():
                array[rows] = readers[name](rows)
        ends = store.episode_ends.astype(np.int64)
        group.create_array("meta/episode_ends", data=ends, compressors=COMPRESSOR)


def _kind(name: str) -> str:
    """Name what an array holds: `img_top` is of the kind `img`."""
    return name if name in DTYPES else name.partition("_")[0]


def _readers(store: EpisodeStore) -> tuple[dict[str, Read], dict[str, str]]:
    """Give what reads each array's steps, and what to say of pictures that are drawn for DP3."""
    kept = [name for name in store.names if _kind(name) in DTYPES]
    readers: dict[str, Read] = {name: partial(store.read, name) for name in kept}
    pictures = [name for name in kept if _kind(name) == "img"]
    readers |= {name: picture_reader(store, name) for name in pictures}
    if "img" in readers:
        return readers, {}
    if pictures:
        return {**readers, "img": readers[pictures[0]]}, {"img_is": f"a copy of {pictures[0]}"}
    draw, shown = drawn_pictures(store)
    logger.info("%s has no pictures, which DP3's loader wants: `img` shows %s", store.path, shown)
    return {**readers, "img": draw}, {"img_is": f"drawn for DP3's loader: {shown}"}


def _create(group: zarr.Group, steps: int, name: str, read: Read) -> "zarr.Array[Any]":
    """Make an empty array for all steps, in chunks of some steps as DP3's are."""
    shape = read(slice(0, 1)).shape[1:]
    return group.create_array(
        f"data/{name}",
        shape=(steps, *shape),
        chunks=(CHUNK_STEPS, *shape),
        dtype=DTYPES[_kind(name)],
        compressors=COMPRESSOR,
        config={"write_empty_chunks": True},  # Else a lost chunk looks like one of zeros.
    )
