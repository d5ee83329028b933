"""What a store's arrays are to LeRobot: keys, types, shapes, and the rate of frames."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from datasets.formats.shared.exporting import length_unit, picture_reader, views
from datasets.store.store import EpisodeStore
from envs.make import make_simulator

logger = logging.getLogger(__name__)

OTHER_FRAMES_PER_SECOND = 50  # Adroit's, for a store that does not name its task.
OWN_COLUMNS = {  # What LeRobot adds to every dataset.
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}


@dataclass(frozen=True)
class Column:
    """One of a store's arrays as a feature.

    Attributes:
        name: The store's array.
        dtype: LeRobot's type: NumPy's name, `image` or `video`.
        shape: Of one frame.
        names: What the axes or the entries are called.
        info: Further facts about it.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    names: list[str] | None = None
    info: dict[str, Any] | None = None

    def described(self) -> dict[str, Any]:
        """Describe the feature as info.json does."""
        feature = {"dtype": self.dtype, "shape": list(self.shape), "names": self.names}
        return feature if self.info is None else {**feature, "info": self.info}


def frames_per_second(store: EpisodeStore) -> int:
    """Give the agent steps in a second, in whole numbers, as LeRobot counts.

    Of a task that can be played: of simulated time. Else by the stamps that were recorded (the
    median step), or by what the dataset said that the store was made from.
    """
    if "env" in store.identity:
        env = store.env
        return round(1 / (make_simulator(env).step_s * env.action_repeat))
    recorded = recorded_rate(store)
    if recorded is None:
        logger.warning(
            "%s does not say how many steps a second has: LeRobot is told %d",
            store.path,
            OTHER_FRAMES_PER_SECOND,
        )
        return OTHER_FRAMES_PER_SECOND
    rate = max(round(recorded), 1)
    logger.info("%s has %.4g steps a second: LeRobot is told %d", store.path, recorded, rate)
    return rate


def recorded_rate(store: EpisodeStore) -> float | None:
    """Give the steps in a second by a store's own stamps, or by where it came from; else None."""
    if "stamp" in store.names:
        rows = [store.rows(index) for index in range(store.episodes)]
        gaps_s = np.concatenate([np.diff(store.read("stamp", one)) for one in rows])
        middle_s = float(np.median(gaps_s)) if len(gaps_s) else 0.0
        if 0 < middle_s < np.inf:
            return 1 / middle_s
    said = store.attributes.get("conversion", {}).get("fps")
    return float(said) if isinstance(said, int | float) and 0 < said < np.inf else None


def columns_of(store: EpisodeStore, rate: int) -> dict[str, Column]:
    """Name what a store holds by LeRobot's keys; the robot's state comes first.

    Args:
        store: Of any task.
        rate: Frames per second.
    """
    names = set(store.names)
    columns = {"observation.state": _array(store, "state")}
    if "point_cloud" in names:
        columns["observation.point_cloud"] = _cloud(store)
    for camera, name in views(store, "depth").items():
        columns[f"observation.images.{camera}_depth"] = _depth(store, name)
    for camera, name in views(store, "img").items():
        columns[f"observation.images.{camera}"] = _video(store, name, rate)
    columns["action"] = _array(store, "action")
    for key, name in (("next.reward", "reward"), ("next.success", "success")):
        if name in names:
            columns[key] = _array(store, name)
    return columns


def features_of(columns: dict[str, Column]) -> dict[str, dict[str, Any]]:
    """Describe every feature as info.json does."""
    ends = {"next.done": Column("", "bool", (1,))}
    own = {key: Column("", dtype, (1,)) for key, dtype in OWN_COLUMNS.items()}
    return {key: column.described() for key, column in {**columns, **ends, **own}.items()}


def _frame(store: EpisodeStore, name: str) -> np.ndarray:
    return np.asarray(store.read(name, slice(0, 1))[0])


def _array(
    store: EpisodeStore,
    name: str,
    names: list[str] | None = None,
    info: dict[str, Any] | None = None,
) -> Column:
    """Describe numbers; LeRobot calls a lone number an array of one."""
    frame = _frame(store, name)
    dtype = "bool" if frame.dtype == np.bool_ else "float32"
    return Column(name, dtype, frame.shape or (1,), names, info)


def _cloud(store: EpisodeStore) -> Column:
    attributes = store.attributes
    channels = ["x", "y", "z", "red", "green", "blue"][: _frame(store, "point_cloud").shape[-1]]
    info = {
        "is_point_cloud": True,
        "channels": channels,  # Colours are 0 to 1.
        "frame": attributes.get("frame", "unknown"),
        "units": length_unit(store),
    }
    return _array(store, "point_cloud", ["point", "channel"], info)


def _depth(store: EpisodeStore, name: str) -> Column:
    """Describe depth images, which LeRobot knows by the mark, and converts by the unit."""
    height, width = _frame(store, name).shape
    unit = length_unit(store)
    info = {"is_depth_map": True, "units": unit}
    if unit == "metres":
        info["depth_unit"] = "m"
    return Column(name, "image", (height, width, 1), ["height", "width", "channels"], info)


def _video(store: EpisodeStore, name: str, rate: int) -> Column:
    height, width, channels = picture_reader(store, name)(slice(0, 1)).shape[1:]
    info = {
        "video.height": height,
        "video.width": width,
        "video.codec": "h264",
        "video.pix_fmt": "yuv420p",
        "video.fps": rate,
        "video.channels": channels,
        "is_depth_map": False,
        "has_audio": False,
    }
    return Column(name, "video", (height, width, channels), ["height", "width", "channels"], info)
