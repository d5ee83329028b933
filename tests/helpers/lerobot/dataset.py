"""What LeRobot asks of a dataset, read off its files; LeRobot itself is not needed."""

import json
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
import pytest

parquet = pytest.importorskip("pyarrow.parquet")  # The extra `convert`.

INFO = {  # meta/info.json: LeRobot's DatasetInfo.
    "codebase_version": str,
    "fps": int,
    "features": dict,
    "total_episodes": int,
    "total_frames": int,
    "total_tasks": int,
    "chunks_size": int,
    "data_files_size_in_mb": int,
    "video_files_size_in_mb": int,
    "data_path": str,
    "splits": dict,
}
OWN = {  # DEFAULT_FEATURES.
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
STATS = {"min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"}
ARROW = {"float32": "float", "int64": "int64", "bool": "bool"}


def read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def check_info(info: dict[str, Any]) -> None:
    """Check keys and types of info.json and of its features."""
    for key, kind in INFO.items():
        assert isinstance(info[key], kind), key
    assert info["codebase_version"] == "v3.0"
    assert info["splits"] == {"train": f"0:{info['total_episodes']}"}
    for key, feature in info["features"].items():
        assert {"dtype", "shape", "names"} <= feature.keys(), key
        assert all(isinstance(size, int) for size in feature["shape"])
        assert "/" not in key
    for key, dtype in OWN.items():
        described = {"dtype": dtype, "shape": [1], "names": None}
        assert info["features"][key] == described


def check_column(kind: str, feature: dict[str, Any]) -> None:
    """Check a column's Arrow type, as Hugging Face's `datasets` casts it."""
    if feature["dtype"] == "image":
        assert kind == "struct<bytes: binary, path: string>"
        return
    number, shape = ARROW[feature["dtype"]], feature["shape"]
    if shape == [1]:
        assert kind == number
    elif len(shape) == 1:
        assert kind == f"fixed_size_list<element: {number}>[{shape[0]}]"
    else:
        assert kind.count("list<") == len(shape)
        assert number in kind


def check_stats(stats: dict[str, Any], features: dict[str, Any]) -> None:
    """Check that every feature has its statistics, by channel; of images (channel, 1, 1)."""
    assert stats.keys() == features.keys()
    for key, told in stats.items():
        assert told.keys() == STATS, key
        channels = features[key]["shape"][-1:]
        shape = (*channels, 1, 1) if "image" in key else tuple(channels)
        for name, values in told.items():
            assert np.shape(values) == ((1,) if name == "count" else shape), (key, name)


def check_dataset(root: Path) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """Check a dataset against the documented format.

    Returns:
        What info.json says, the rows of the episodes, and the columns of all frames.
    """
    info = read_json(root / "meta/info.json")
    check_info(info)
    check_stats(read_json(root / "meta/stats.json"), info["features"])
    rows = [
        row
        for path in sorted(root.glob("meta/episodes/*/*.parquet"))
        for row in parquet.read_table(path).to_pylist()
    ]
    columns: dict[str, list[Any]] = {}
    filmed = {k for k, f in info["features"].items() if f["dtype"] == "video"}
    for path in sorted(root.glob("data/*/*.parquet")):
        table = parquet.read_table(path)
        assert set(table.column_names) == info["features"].keys() - filmed
        for field in table.schema:
            check_column(str(field.type), info["features"][field.name])
            columns.setdefault(field.name, []).extend(table[field.name].to_pylist())
    check_episodes(root, info, rows, columns)
    for key in filmed:
        check_videos(root, info, rows, key)
    return info, rows, columns


def check_episodes(
    root: Path, info: dict[str, Any], rows: list[dict[str, Any]], columns: dict[str, list[Any]]
) -> None:
    """Check that frames and episodes are counted without gaps and point to each other."""
    assert columns["index"] == list(range(info["total_frames"]))
    assert [row["episode_index"] for row in rows] == list(range(info["total_episodes"]))
    tasks = parquet.read_table(root / "meta/tasks.parquet")
    assert json.loads(tasks.schema.metadata[b"pandas"])["index_columns"] == ["task"]
    assert tasks["task_index"].to_pylist() == list(range(info["total_tasks"]))
    start = 0
    for row in rows:
        stop = start + row["length"]
        assert (row["dataset_from_index"], row["dataset_to_index"]) == (start, stop)
        assert set(row["tasks"]) <= set(tasks["task"].to_pylist())
        assert columns["frame_index"][start:stop] == list(range(row["length"]))
        assert set(columns["episode_index"][start:stop]) == {row["episode_index"]}
        expected = np.arange(row["length"]) / info["fps"]
        np.testing.assert_allclose(columns["timestamp"][start:stop], expected, atol=1e-6)
        place = {name: row[f"data/{name}"] for name in ("chunk_index", "file_index")}
        held = parquet.read_table(root / info["data_path"].format(**place))["episode_index"]
        assert row["episode_index"] in held.to_pylist()
        assert {"meta/episodes/chunk_index", "meta/episodes/file_index"} <= row.keys()
        for key in info["features"]:
            assert {f"stats/{key}/{name}" for name in STATS} <= row.keys()
        start = stop
    assert start == info["total_frames"]


def check_videos(root: Path, info: dict[str, Any], rows: list[dict[str, Any]], key: str) -> None:
    """Check that each file has the frames of its episodes, one after the other."""
    frames: dict[str, int] = {}
    for row in rows:
        place = {name: row[f"videos/{key}/{name}"] for name in ("chunk_index", "file_index")}
        path = info["video_path"].format(video_key=key, **place)
        start, length = frames.setdefault(path, 0), row["length"]
        span = [row[f"videos/{key}/{name}_timestamp"] * info["fps"] for name in ("from", "to")]
        np.testing.assert_allclose(span, [start, start + length], atol=1e-6)
        frames[path] += length
    for path, count in frames.items():
        film = imageio.get_reader(root / path)
        assert len(list(film.iter_data())) == count
        assert film.get_meta_data()["fps"] == info["fps"]
        assert film.get_meta_data()["codec"] == "h264"
        height, width, _ = info["features"][key]["shape"]
        assert film.get_meta_data()["size"] == (width, height)
