"""Read recordings of ROS 2: MCAP files of depth images, camera_info, transforms and joint states.

A file is an episode; a folder holds files, or folders as `ros2 bag record` makes them, one each. A
step is a depth image, lifted as those of a live camera are: `datasets.cameras.ros2` says what
belongs to it. ROS' optical frames have the axes of this project's cameras (x right, y down, z
ahead), so poses are taken as they are. Nobody says whether an episode succeeded.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from datasets.cameras.describe import describe_cameras
from datasets.cameras.ros2.bag import is_bag
from datasets.cameras.ros2.choosing import OPTICAL, Asked
from datasets.cameras.ros2.recordings import Recording, read_recordings
from datasets.episode import Episode
from datasets.formats.shared.source import ReadOptions, Source, lifting
from envs.config import EnvConfig, ViewConfig, with_view
from perception.errors import InputError

logger = logging.getLogger(__name__)

LOOKS_LIKE = "an MCAP file of ROS 2, or a folder of such"
SUFFIX = ".mcap"
BAG = "metadata.yaml"  # Beside the files of a folder that `ros2 bag record` made.


def recognises(path: Path) -> bool:
    """Tell whether this is an MCAP file, or a folder of such."""
    return (
        is_bag(path)
        if path.is_file()
        else any(path.glob(f"*{SUFFIX}")) or any(path.glob(f"*/*{SUFFIX}"))
    )


def open_source(path: Path, env: EnvConfig, options: ReadOptions) -> Source:
    """Open a recording, or several.

    Args:
        path: A file or folder.
        env: The task; its view says how depth becomes clouds.
        options: `cameras` (several are fused), `state_keys`, `action_key`, `world_frame`,
            `stale_s`, `points`, and `depth` of `images`.

    Raises:
        InputError: One is damaged or lacks something; options do not apply.
    """
    asked = _asked(options)
    recordings = read_recordings(files_of(path), asked)
    first = recordings[0]
    names = tuple(first.chosen.cameras)
    view = with_view(env, options.points, names, options.colour).view
    if view.colour or "img" in options.images:
        raise InputError("colour=true and images=[img] do not apply to mcap: depth alone is read")
    step = next(first.steps(view, options.images))
    _tell(recordings, view)
    return Source(
        format="mcap",
        lengths=tuple(len(recording.moments) for recording in recordings),
        read=partial(_read, recordings, view, options.images),
        simulated=False,
        action_size=len(step.action),
        options={**_choices(first), "stale_s": asked.stale_s, "view": lifting(view)},
        about={
            "joints": _joints(first.chosen.states),
            "actions": _joints(first.chosen.actions) or "the robot's state at the next step",
            "transforms": "interpolated",
            "rewards": "not recorded",
            "successes": "not recorded",
        },
        seen={
            "cameras": describe_cameras(step),
            "frame": "world",
            "units": "metres; robot state and actions as the robot gives them",
        },
        view=view,
    )


def _asked(options: ReadOptions) -> Asked:
    asked = Asked(options.cameras, options.state_keys, options.action_key, options.world_frame)
    return asked if options.stale_s is None else replace(asked, stale_s=options.stale_s)


def files_of(path: Path) -> list[Path]:
    """List the recordings of a folder, in the order of their names; or the one.

    Raises:
        InputError: A recording was split into several files.
    """
    if path.is_file():
        return [path]
    own, inner = sorted(path.glob(f"*{SUFFIX}")), sorted(path.glob(f"*/*{SUFFIX}"))
    for folder in [path, *sorted({file.parent for file in inner})]:
        parts = sorted(folder.glob(f"*{SUFFIX}"))
        if (folder / BAG).is_file() and len(parts) > 1:
            raise InputError(
                f"{folder} is one recording in {len(parts)} files: join them first (`ros2 bag"
                f" convert`, or `mcap merge {parts[0].name} ... -o whole{SUFFIX}`), and name the"
                " file"
            )
    return [*own, *inner]


def _read(
    recordings: Sequence[Recording], view: ViewConfig, images: Sequence[str], index: int
) -> Episode:
    return recordings[index].episode(view, images)


def _choices(recording: Recording) -> dict[str, Any]:
    """Give what was chosen of a recording's topics."""
    chosen = recording.chosen
    return {
        "cameras": {name: camera.topic for name, camera in chosen.cameras.items()},
        "state_keys": list(chosen.states),
        "action_key": list(chosen.actions),
        "world_frame": chosen.world,
    }


def _joints(joints: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    return {topic: list(names) for topic, names in joints.items()}


def _tell(recordings: Sequence[Recording], view: ViewConfig) -> None:
    """Say what becomes of the recordings, and what of them does not."""
    first = recordings[0]
    chosen, name = first.chosen, first.path.name
    logger.info(
        "%s: clouds are lifted from %s, within %s to %s (env.view.crop_low, env.view.crop_high) of"
        " frame %s (world_frame)",
        name,
        ", ".join(camera.topic for camera in chosen.cameras.values()),
        list(view.crop_low),
        list(view.crop_high),
        chosen.world,
    )
    for camera in chosen.cameras.values():
        if OPTICAL not in camera.frame:
            logger.warning(
                "%s: frame %s is not called an optical one: its axes are taken as x right, y down,"
                " z ahead",
                name,
                camera.frame,
            )
    if not chosen.actions:
        others = f"; action_key= takes {', '.join(first.commands)}" if first.commands else ""
        logger.info("%s: an action is the robot's state at the next step%s", name, others)
    for recording in recordings:
        if recording.left_out:
            logger.info(
                "%s: %d of its images, at its beginning and end, are left out: joints, transforms,"
                " another camera or an action are missing there",
                recording.path.name,
                recording.left_out,
            )
