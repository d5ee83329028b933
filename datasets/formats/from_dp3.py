"""Read DP3's Zarr (and Diffusion Policy's, where it holds clouds): Ze et al., RSS 2024.

    data/{state,action,point_cloud[,img,depth,full_state]}, meta/episode_ends

Written by zarr 2, points zero-padded, colours 0 to 255 or 0 to 1. Its clouds are in a frame of
their own (DP3's is not the world's), and stay in it. Rewards, successes and the simulator's state
were never recorded.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import zarr

from datasets.episode import Episode, Recording
from datasets.formats.shared.clouds import Clouds, check_shape, cleaned, colour_scale
from datasets.formats.shared.source import ReadOptions, Source, refuse_cameras
from envs.config import EnvConfig
from perception.errors import InputError

BLOCK_STEPS = 1000
CLOUD = "point_cloud"
LOOKS_LIKE = "a Zarr folder with data/point_cloud and meta/episode_ends"


def recognises(path: Path) -> bool:
    """Tell whether this is a Zarr folder with steps and the ends of episodes."""
    if not path.is_dir():
        return False
    try:
        group = zarr.open_group(path, mode="r")
    except (FileNotFoundError, ValueError):
        return False
    return "data" in group and "meta/episode_ends" in group


def open_source(path: Path, env: EnvConfig, options: ReadOptions) -> Source:
    """Open a dataset.

    Args:
        path: Its folder.
        env: The task; the clouds are what they are.
        options: `points` (None keeps their number), `colour` (False drops it) and `images`.

    Raises:
        InputError: It has no clouds, lacks an array, one is too short, or cameras are asked for.
    """
    refuse_cameras(options, "dp3")
    points, colour = options.points, options.colour
    arrays, ends = _open(path, options.images)
    check_shape(arrays[CLOUD].shape, colour, f"{path.name}: data/{CLOUD}")
    scale = 1.0 if colour is False else colour_scale(_blocks(arrays[CLOUD]))
    starts = np.concatenate([[0], ends[:-1]])

    def read(index: int) -> Episode:
        rows = slice(int(starts[index]), int(ends[index]))
        where = f"{path.name}, episode {index}"
        clouds = cleaned(
            _read(arrays[CLOUD], rows, where), count=points, colour=colour, scale=scale, where=where
        )
        state, action = (_read(arrays[n], rows, where) for n in ("state", "action"))
        recording = Recording(
            state.astype(np.float32), action.astype(np.float32), None, None, None, None
        )
        pictures = [n for n in arrays if n.startswith(("img", "depth"))]
        return Episode(recording, clouds, {n: _read(arrays[n], rows, where) for n in pictures})

    return Source(
        format="dp3",
        lengths=tuple((ends - starts).tolist()),
        read=read,
        simulated=False,
        action_size=int(arrays["action"].shape[1]),
        options={"points": points, "colour": colour},
        about={"full_colour": scale},
    )


def _open(path: Path, images: tuple[str, ...]) -> tuple[dict[str, Any], np.ndarray]:
    """Open the arrays to convert, and read where episodes end."""
    try:
        group = zarr.open_group(path, mode="r")
        data = cast(zarr.Group, group["data"])
        ends = np.asarray(cast("zarr.Array[Any]", group["meta/episode_ends"])[:])
        names = sorted(data.array_keys())
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise InputError(f"{path} is no dataset of DP3's layout: {error}") from error
    if CLOUD not in names:
        raise InputError(
            f"{path.name} has no data/{CLOUD}, only {', '.join(names)}: a cloud needs depth and"
            " the camera's calibration, which this layout does not keep"
        )
    wanted = ["state", "action", CLOUD, *(n for n in names if n.startswith(images))]
    missing = [n for n in wanted[:2] if n not in names]
    missing += [kind for kind in images if not any(n.startswith(kind) for n in names)]
    if missing:
        raise InputError(f"{path.name} has no data/{missing[0]}; it has {', '.join(names)}")
    if len(ends) == 0 or (np.diff(ends, prepend=0) <= 0).any():
        raise InputError(f"{path.name}: meta/episode_ends does not ascend")
    arrays = {name: cast("zarr.Array[Any]", data[name]) for name in wanted}
    for name, array in arrays.items():
        if array.shape[0] < ends[-1]:
            raise InputError(f"{path.name}: data/{name} has {array.shape[0]} of {ends[-1]} steps")
    return arrays, ends


def _blocks(clouds: Any) -> Iterator[Clouds]:  # noqa: ANN401 (an array of any Zarr)
    for start in range(0, clouds.shape[0], BLOCK_STEPS):
        yield _read(clouds, slice(start, start + BLOCK_STEPS), clouds.name)


def _read(array: Any, rows: slice, where: str) -> np.ndarray:  # noqa: ANN401
    try:
        return np.asarray(array[rows])
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{where}: {array.name} is damaged: {error}") from error
