"""Written for DP3: its Zarr, version 2, as its ReplayBuffer reads it.

    data/point_cloud (step, point, 3 or 6) float32, metres    data/state  (step, reading) float32
    data/img    (step, height, width, 3)   uint8              data/action (step, action)  float32
    data/depth  (step, height, width)      float32, metres    meta/episode_ends (episode,) int64

Source: DP3's `gen_demonstration_expert.py` and `common/replay_buffer.py` (zarr 2.12). Positions are
plain float32 here, in the world frame; colours, where there are any, are 0 to 1 and not 0 to 255.
DP3's encoder reads the first three columns by default. What the store says of itself is kept in
the attributes, which DP3 does not read. Rewards, successes and simulator states have no place.
Of several cameras each has its own `img_<camera>` and `depth_<camera>`, which DP3 leaves unread.
"""

import logging
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import zarr

from datasets.formats.exporter import walk, whole
from datasets.store.store import EpisodeStore
from perception.errors import InputError

logger = logging.getLogger(__name__)

SUFFIX = None  # It ends in .zarr, as our own stores do.
CHUNK_STEPS = 100
COMPRESSOR = numcodecs.Blosc(cname="zstd", clevel=3, shuffle=numcodecs.Blosc.SHUFFLE)  # DP3's.
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
    if "img" not in store.names:
        logger.warning(
            "DP3's AdroitDataset also reads pictures (`img`) of one camera, and %s has none;"
            " images=[img] draws them (datasets/render.py)",
            store.path,
        )
    with whole(out) as partial:
        group = zarr.open_group(partial, mode="w", zarr_format=2)
        group.attrs.update({"made_from": store.attributes})
        arrays = {n: _create(group, store, n) for n in store.names if _kind(n) in DTYPES}
        for _, rows in walk(store, "to DP3"):
            for name, array in arrays.items():
                array[rows] = store.read(name, rows)
        ends = store.episode_ends.astype(np.int64)
        group.create_array("meta/episode_ends", data=ends, compressors=COMPRESSOR)


def _kind(name: str) -> str:
    """Name what an array holds: `img_top` is of the kind `img`."""
    return name if name in DTYPES else name.partition("_")[0]


def _create(group: zarr.Group, store: EpisodeStore, name: str) -> "zarr.Array[Any]":
    """Make an empty array for all steps, in chunks of some steps as DP3's are."""
    shape = store.read(name, slice(0, 1)).shape[1:]
    return group.create_array(
        f"data/{name}",
        shape=(store.steps, *shape),
        chunks=(CHUNK_STEPS, *shape),
        dtype=DTYPES[_kind(name)],
        compressors=COMPRESSOR,
    )
