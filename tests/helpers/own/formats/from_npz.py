"""Read plain arrays in one `.npz` file."""

from pathlib import Path

import numpy as np

from datasets.episode import Episode, Recording
from datasets.formats.shared.source import ReadOptions, Source
from envs.config import EnvConfig

LOOKS_LIKE = "an .npz of arrays"


def recognises(path: Path) -> bool:
    return path.suffix == ".npz"


def open_source(path: Path, env: EnvConfig, options: ReadOptions) -> Source:
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    starts = np.concatenate([[0], arrays["ends"][:-1]])

    def read(index: int) -> Episode:
        rows = slice(starts[index], arrays["ends"][index])
        state, action = arrays["state"][rows], arrays["action"][rows]
        return Episode(
            Recording(state, action, None, None, None, None), arrays["point_cloud"][rows]
        )

    return Source(
        format="npz",
        lengths=tuple((arrays["ends"] - starts).tolist()),
        read=read,
        simulated=False,
        action_size=arrays["action"].shape[1],
    )
