"""Read LeRobot's datasets, version 3.0 (Cadene et al., 2024): a folder with meta/info.json.

    data/*/*.parquet: observation.state, action[, next.reward, next.success]; videos/*/*/*.mp4

LeRobot has no clouds. They come from an array of ours (`observation.point_cloud`, as `to_lerobot`
writes it), or from depth images, where the cameras are known (datasets/formats/lerobot/cameras.py):
numbers, lossless images or LeRobot's depth videos (depths.py). Points are then kept within the
task's crop box, in the frame of the cameras' poses. `next.done` marks an episode's last frame
whatever ended it, so nothing is made of it.
"""

import logging
from pathlib import Path
from typing import Any

from datasets.formats.lerobot.cameras import read_cameras
from datasets.formats.lerobot.described import Described, Feature, is_dataset, read_description
from datasets.formats.lerobot.reader import (
    ACTION,
    REWARD,
    SUCCESS,
    Reader,
    images_of,
    state_keys,
)
from datasets.formats.lerobot.recorded import Recorded, cloud_of
from datasets.formats.lerobot.sight import Lifted, lifted
from datasets.formats.shared.source import ReadOptions, Source, lifting
from envs.config import EnvConfig, with_view

logger = logging.getLogger(__name__)

LOOKS_LIKE = "a folder with meta/info.json of LeRobot v3.0"


def recognises(path: Path) -> bool:
    """Tell whether this is a folder as LeRobot writes it."""
    return is_dataset(path)


def open_source(path: Path, env: EnvConfig, options: ReadOptions) -> Source:
    """Open a dataset.

    Args:
        path: Its folder.
        env: The task; its view says how depth becomes clouds.
        options: `point_key` and `state_keys` name clouds and the robot's state; `cameras` those
            whose depth is lifted, even where clouds were recorded; `calibration` where they stand;
            `points`, `colour`, `images`.

    Raises:
        InputError: It is damaged, of another version, or has neither clouds nor depth of cameras
            that are known.
    """
    described = read_description(path)
    cameras = read_cameras(described, options.calibration)
    states, images = state_keys(described, options), images_of(described, options.images)
    cloud = None if options.cameras is not None else cloud_of(described, options.point_key)
    view = with_view(env, options.points, options.cameras, options.colour).view
    sight: Recorded | Lifted
    if cloud is not None:
        sight = Recorded.of(described, cloud, options)
        seen = {name: str(cloud.info.get(name, "as recorded")) for name in ("frame", "units")}
        how: dict[str, Any] = {"point_key": cloud.key, "points": options.points}
    else:
        sight = lifted(described, cameras, view, options)
        seen = {"frame": "world", "units": "metres"}
        how = {"cameras": list(sight.eyes), "view": lifting(view)}
    _tell(described, how, images)
    return Source(
        format="lerobot",
        lengths=described.lengths,
        read=Reader(described, sight, states, images).read,
        simulated=False,
        action_size=described.features[ACTION].shape[0],
        options={**how, "colour": options.colour, "state_keys": list(states)},
        about={
            "fps": described.rate,
            "robot_type": described.info.get("robot_type"),
            "rewards": _recorded(described, REWARD),
            "successes": _recorded(described, SUCCESS),
        },
        seen={**seen, "cameras": cameras},
    )


def _recorded(described: Described, key: str) -> str:
    return "as recorded" if key in described.features else "not recorded"


def _tell(described: Described, how: dict[str, Any], images: dict[str, Feature]) -> None:
    """Say what becomes of the dataset, and what of it does not."""
    if "view" in how:
        logger.info(
            "%s: clouds are lifted from the depth of %s, within %s to %s (env.view.crop_low,"
            " env.view.crop_high)",
            described.root.name,
            ", ".join(how["cameras"]),
            how["view"]["crop_low"],
            how["view"]["crop_high"],
        )
    left = [f.key for f in described.features.values() if f.is_picture]
    used = {feature.key for feature in images.values()}
    if unused := [key for key in left if key not in used]:
        logger.info(
            "%s: not kept: %s (images= keeps pictures and depth)",
            described.root.name,
            ", ".join(unused),
        )
    if (tasks := described.info.get("total_tasks", 1)) != 1:
        logger.info("%s: its %s tasks are not told apart", described.root.name, tasks)
