"""Read DP3's Zarr (and Diffusion Policy's, where it holds clouds): Ze et al., RSS 2024.

    data/{state,action,point_cloud[,img,depth,full_state]}, meta/episode_ends

Written by zarr 2 (3 is read too), points zero-padded, colours 0 to 255 or 0 to 1. Its clouds are in
a frame of their own (DP3's is not the world's), and stay in it. Rewards, successes and the
simulator's state were never recorded. Only what is converted is opened, and all of it is looked
through before the first episode is written.
"""

import logging
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from datasets.episode import Episode, Recording
from datasets.formats.shared.clouds import check_shape, cleaned
from datasets.formats.shared.foreign_zarr.arrays import ForeignArray, array_names, open_array
from datasets.formats.shared.foreign_zarr.descriptions import check_group, is_array, unpack_first
from datasets.formats.shared.foreign_zarr.survey import (
    check_ends,
    check_finite,
    check_table,
    survey_clouds,
    survey_depths,
    survey_pictures,
)
from datasets.formats.shared.pictures import PictureRule, depth_images
from datasets.formats.shared.source import ReadOptions, Source, refuse_cameras
from envs.config import EnvConfig
from perception.errors import InputError

logger = logging.getLogger(__name__)

CLOUD = "point_cloud"
LOOKS_LIKE = "a Zarr folder with data/point_cloud and meta/episode_ends"
Arrays = dict[str, ForeignArray]


def recognises(path: Path) -> bool:
    """Tell whether this is a Zarr folder with steps and the ends of episodes."""
    return (path / "data").is_dir() and is_array(path / "meta/episode_ends")


def open_source(path: Path, env: EnvConfig, options: ReadOptions) -> Source:
    """Open a dataset, and look through what will be converted.

    Args:
        path: Its folder.
        env: The task; the clouds are what they are.
        options: `points` (None keeps their number), `colour` (False drops it), `images`, and
            `absent_chunks`.

    Raises:
        InputError: It has no clouds, lacks an array or a part of one, is damaged or of another
            layout, or cameras are asked for.
    """
    refuse_cameras(options, "dp3")
    points, colour = options.points, options.colour
    arrays, ends = _open(path, options)
    steps = int(ends[-1])
    for name in ("state", "action"):
        check_finite(arrays[name], steps)
    facts = survey_clouds(arrays[CLOUD], steps, colour=colour is not False)
    seen = {name: array for name, array in arrays.items() if name.startswith(("img", "depth"))}
    rules = {n: survey_pictures(a, steps) for n, a in seen.items() if n.startswith("img")}
    for name in seen.keys() - rules.keys():
        survey_depths(seen[name], steps)
    starts = np.concatenate([[0], ends[:-1]])

    def read(index: int) -> Episode:
        rows = int(starts[index]), int(ends[index])
        where = f"{path.name}, episode {index}"
        scale = facts.full_colour
        recorded = arrays[CLOUD].read(*rows)
        clouds = cleaned(recorded, count=points, colour=colour, scale=scale, where=where)
        state, action = (arrays[n].read(*rows).astype(np.float32) for n in ("state", "action"))
        return Episode(
            Recording(state, action, None, None, None, None),
            clouds,
            {n: _picture(a.read(*rows), rules.get(n), where) for n, a in seen.items()},
        )

    about = {
        "rewards": "not recorded",
        "successes": "not recorded",
        "full_colour": facts.full_colour,
        "pictures": {name: str(rule) for name, rule in rules.items()},
        **_left_out(path, arrays, steps),
    }
    return Source(
        format="dp3",
        lengths=tuple((ends - starts).tolist()),
        read=read,
        simulated=False,
        action_size=arrays["action"].shape[1],
        options={"points": points, "colour": colour, **_filling(options)},
        about=about,
        farthest=facts.farthest,
    )


def _filling(options: ReadOptions) -> dict[str, str]:
    """Name how absent chunks are read, where that is not as ever."""
    return {} if options.absent_chunks == "refuse" else {"absent_chunks": options.absent_chunks}


def _picture(values: np.ndarray, rule: PictureRule | None, where: str) -> np.ndarray:
    """Give pictures as bytes; depth, for which there is no rule, keeps its unit."""
    return depth_images(values, where) if rule is None else rule.convert(values)


def _open(path: Path, options: ReadOptions) -> tuple[Arrays, Int[np.ndarray, " episode"]]:
    """Open the arrays to convert, and read where episodes end."""
    _check_folder(path)
    wanted = _wanted(path, options.images)
    fill = options.absent_chunks == "fill"
    arrays = {name: open_array(path, f"data/{name}", fill_absent=fill) for name in wanted}
    for name in ("state", "action"):
        check_table(arrays[name])
    check_shape(arrays[CLOUD].shape, options.colour, f"{path.name}: data/{CLOUD}")
    ends = check_ends(
        open_array(path, "meta/episode_ends", fill_absent=fill), arrays["action"].shape[0]
    )
    for name, array in arrays.items():
        if not array.shape or array.shape[0] < ends[-1]:
            there = array.shape[0] if array.shape else 0
            raise InputError(
                f"{path.name}: data/{name} has {there} of {ends[-1]} steps (its shape is"
                f" {array.shape}): restore it from a copy, or correct meta/episode_ends"
            )
    return {name: replace(array, ends=ends) for name, array in arrays.items()}, ends


def _check_folder(path: Path) -> None:
    """Refuse what is no folder of Zarr's, or a store of this project without its description."""
    if path.is_file():
        raise InputError(unpack_first(path) if zipfile.is_zipfile(path) else f"{path} is no folder")
    attributes = check_group(path)
    for part in ("data", "meta"):
        check_group(path / part)
    if "identity" in attributes or is_array(path / "meta/start_state"):
        raise InputError(
            f"{path} is a store of this project whose description (.zattrs or zarr.json) is"
            " damaged: restore that file from a copy"
        )
    if not is_array(path / "meta/episode_ends"):
        raise InputError(f"{path.name} has no meta/episode_ends, which says where episodes end")


def _wanted(path: Path, images: tuple[str, ...]) -> list[str]:
    """Name the arrays to convert."""
    names = array_names(path, "data")
    if CLOUD not in names:
        raise InputError(
            f"{path.name} has no data/{CLOUD}, only {', '.join(names)}: a cloud needs depth and"
            " the camera's calibration, which this layout does not keep"
        )
    missing = [n for n in ("state", "action") if n not in names]
    missing += [kind for kind in images if not any(n.startswith(kind) for n in names)]
    if missing:
        raise InputError(f"{path.name} has no data/{missing[0]}; it has {', '.join(names)}")
    return ["state", "action", CLOUD, *(n for n in names if n.startswith(images))]


def _left_out(path: Path, arrays: Arrays, steps: int) -> dict[str, Any]:
    """Say, and give to be kept, what of the dataset is not converted, and what was absent."""
    others = [n for n in array_names(path, "data") if n not in arrays]
    if others:
        logger.info("%s: not converted: %s", path.name, ", ".join(others))
    beyond = {n: a.shape[0] - steps for n, a in arrays.items() if a.shape[0] > steps}
    if beyond:
        told = ", ".join(f"{count} of data/{name}" for name, count in beyond.items())
        logger.warning(
            "%s: rows beyond the last episode, which ends at %d, belong to none and are left out:"
            " %s",
            path.name,
            steps,
            told,
        )
    filled = {n: sorted(a.filled) for n, a in arrays.items() if a.filled}
    for name, files in filled.items():
        logger.warning(
            "%s: data/%s has no chunk %s: read as the fill value, as absent_chunks=fill says",
            path.name,
            name,
            ", ".join(files),
        )
    return {"not_converted": others, "rows_beyond_the_last_episode": beyond, "filled": filled}
