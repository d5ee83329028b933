"""Write a store as plain arrays in one `.npz` file."""

from pathlib import Path

import numpy as np

from datasets.formats.shared.exporter import whole
from datasets.store.store import EpisodeStore

SUFFIX = ".npz"


def write(store: EpisodeStore, out: Path) -> None:
    arrays = {name: store.read(name) for name in ("state", "action", "point_cloud")}
    with whole(out) as partial, partial.open("wb") as file:
        np.savez(file, ends=store.episode_ends, **arrays)
