"""Written for LeRobot: a LeRobotDataset v3.0 folder.

    meta/info.json, cameras.json, stats.json, tasks.parquet, episodes/chunk-000/file-000.parquet
    data/chunk-000/file-000.parquet, videos/<camera's key>/chunk-000/file-000.mp4

Source: LeRobot's docs/source/lerobot-dataset-v3.mdx and datasets/{dataset_writer,dataset_metadata,
feature_utils,utils}.py (0.6.1). LeRobot has no feature for clouds: they are an array of
float32, described under `info` of the feature. It has no place for lenses and poses of cameras
either: `meta/cameras.json` has them, `info.json` too (which LeRobot writes anew without them), and
all else that the store says of itself under `made_from`. `next.done` marks an episode's last step,
whether it ended or was cut off. Depth is a depth feature kept without loss: an image of float32
(TIFF) at each frame, in metres. Simulator states are left out.
"""

import json
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from datasets.formats.lerobot.cameras import CAMERAS
from datasets.formats.lerobot.features import (
    OWN_COLUMNS,
    Column,
    columns_of,
    features_of,
    frames_per_second,
)
from datasets.formats.lerobot.files import (
    CHUNK_FILES,
    DATA_FILE_MB,
    NUMBERED,
    VIDEO_FILE_MB,
    Tables,
    Videos,
    arrow,
    arrow_images,
)
from datasets.formats.lerobot.stats import Stats, depth_stats_of, joined, picture_stats_of, stats_of
from datasets.formats.shared.exporter import walk, whole
from datasets.formats.shared.exporting import extra, picture_reader, task_of
from datasets.store.store import EpisodeStore

SUFFIX = ""  # A folder.
DATA_PATH = f"data/{NUMBERED}.parquet"
VIDEO_PATH = f"videos/{{video_key}}/{NUMBERED}.mp4"
EPISODES_PATH = f"meta/episodes/{NUMBERED}.parquet"


def write(store: EpisodeStore, out: Path) -> None:
    """Write every episode of a store as LeRobot keeps them.

    Raises:
        InputError: pyarrow is missing, pictures are of odd size, or `out` exists or is being
            written.
    """
    extra("pyarrow")
    with whole(out) as partial:
        rate = frames_per_second(store)
        columns = columns_of(store, rate)
        with closing(_Dataset(store, partial, columns, rate)) as dataset:
            for index, rows in walk(store, "to LeRobot"):
                dataset.append(index, rows)
        _write_json(partial / "meta/info.json", info_of(store, columns, rate))
        _write_json(partial / CAMERAS, store.attributes.get("cameras", {}))
        _write_json(partial / "meta/stats.json", dataset.stats)
        _write_tasks(task_of(store), partial / "meta/tasks.parquet")


def info_of(store: EpisodeStore, columns: dict[str, Column], rate: int) -> dict[str, Any]:
    """Say what the dataset holds, as info.json does, and what LeRobot has no place for."""
    attributes = store.attributes
    filmed = any(column.dtype == "video" for column in columns.values())
    return {
        "codebase_version": "v3.0",
        "robot_type": store.identity.get("env", {}).get("simulator"),
        "total_episodes": store.episodes,
        "total_frames": store.steps,
        "total_tasks": 1,
        "chunks_size": CHUNK_FILES,
        "data_files_size_in_mb": DATA_FILE_MB,
        "video_files_size_in_mb": VIDEO_FILE_MB,
        "fps": rate,
        "splits": {"train": f"0:{store.episodes}"},
        "data_path": DATA_PATH,
        "video_path": VIDEO_PATH if filmed else None,
        "features": features_of(columns),
        "cameras": attributes.get("cameras", {}),
        "made_from": {k: v for k, v in attributes.items() if k != "cameras"},
    }


class _Dataset:
    """The files that grow with every episode, and the statistics of all so far."""

    def __init__(
        self, store: EpisodeStore, root: Path, columns: dict[str, Column], rate: int
    ) -> None:
        self._store, self._columns = store, columns
        self._task, self._rate = task_of(store), rate
        self._data, self._episodes = Tables(root, DATA_PATH), Tables(root, EPISODES_PATH)
        self._videos = {
            key: Videos(root, VIDEO_PATH.replace("{video_key}", key), self._rate)
            for key, column in self._columns.items()
            if column.dtype == "video"
        }
        self._depths = {k: c.name for k, c in self._columns.items() if c.dtype == "image"}
        self._pictures = {key: picture_reader(store, columns[key].name) for key in self._videos}
        self.stats: dict[str, Stats] = {}

    def append(self, index: int, rows: slice) -> None:
        """Write one episode's frames, its pictures, and its row among the episodes."""
        frames = self._frames(index, rows)
        stats = {key: stats_of(values) for key, values in frames.items()}
        place: dict[str, Any] = {f"data/{n}": v for n, v in self._data.turn().items()}
        columns = {key: arrow(values) for key, values in frames.items()}
        for key, name in self._depths.items():
            depths = self._store.read(name, rows).astype(np.float32)
            columns[key], stats[key] = arrow_images(depths), depth_stats_of(depths)
        self._data.append(columns)
        for key, videos in self._videos.items():
            pictures = self._pictures[key](rows)
            stats[key] = picture_stats_of(pictures)
            place |= {f"videos/{key}/{n}": v for n, v in videos.append(pictures).items()}
        self.stats = {key: joined(self.stats.get(key), new) for key, new in stats.items()}
        self._append_row(index, rows, place, stats)

    def _frames(self, index: int, rows: slice) -> dict[str, np.ndarray]:
        """Read an episode's numbers and count its frames, (time, ...) by key."""
        read = {
            key: self._store.read(column.name, rows).astype(column.dtype)
            for key, column in self._columns.items()
            if column.dtype not in ("image", "video")
        }
        time = np.arange(rows.stop - rows.start)
        own = {
            "timestamp": time / self._rate,
            "frame_index": time,
            "episode_index": np.full_like(time, index),
            "index": time + rows.start,
            "task_index": np.zeros_like(time),
        }
        counted = {key: own[key].astype(dtype) for key, dtype in OWN_COLUMNS.items()}
        return {**read, "next.done": time == time[-1], **counted}

    def _append_row(
        self, index: int, rows: slice, place: dict[str, Any], stats: dict[str, Stats]
    ) -> None:
        """Say of an episode where its parts are and what they are like."""
        row = {
            "episode_index": index,
            "tasks": [self._task],
            "length": rows.stop - rows.start,
            **place,
            "dataset_from_index": rows.start,
            "dataset_to_index": rows.stop,
            **{
                f"stats/{key}/{name}": values.tolist()
                for key, own in stats.items()
                for name, values in own.items()
            },
            **{f"meta/episodes/{name}": number for name, number in self._episodes.turn().items()},
        }
        self._episodes.append({key: [value] for key, value in row.items()})

    def close(self) -> None:
        """Finish every file, even where one of them fails."""
        with ExitStack() as stack:
            stack.enter_context(closing(self._data))
            stack.enter_context(closing(self._episodes))
            for videos in self._videos.values():
                stack.enter_context(closing(videos))


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=4, default=np.ndarray.tolist), encoding="utf-8")


def _write_tasks(task: str, path: Path) -> None:
    """Write the table of tasks; its index is the task, in the way that pandas reads one back."""
    arrow_, parquet = extra("pyarrow"), extra("pyarrow.parquet")
    described = [("task_index", "int64", "int64"), ("task", "unicode", "object")]
    pandas = {
        "index_columns": ["task"],
        "column_indexes": [],
        "columns": [
            {"name": n, "field_name": n, "pandas_type": p, "numpy_type": t, "metadata": None}
            for n, p, t in described
        ],
    }
    table = arrow_.table({"task_index": [0], "task": [task]})
    parquet.write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), path)
