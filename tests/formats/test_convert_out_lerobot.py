"""LeRobot's v3.0 datasets: a checker of the documented format, and what was written, read back."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
import pytest

from datasets.formats import to_lerobot
from datasets.formats.lerobot import files as lerobot_files
from datasets.formats.lerobot.stats import joined, stats_of
from datasets.store.store import EpisodeStore
from envs.make import make_simulator
from tests.conftest import task_config
from tests.formats.test_convert_out import made_store, pictured_store
from tests.helpers.made_up import PLAIN, attributes

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
    return json.loads(path.read_text())


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
    number, shape = ARROW[feature["dtype"]], feature["shape"]
    if shape == [1]:
        assert kind == number
    elif len(shape) == 1:
        assert kind == f"fixed_size_list<element: {number}>[{shape[0]}]"
    else:
        assert kind.count("list<") == len(shape)
        assert number in kind


def check_stats(stats: dict[str, Any], features: dict[str, Any]) -> None:
    """Check that every feature has its statistics, by channel; of pictures (3, 1, 1)."""
    assert stats.keys() == features.keys()
    for key, told in stats.items():
        assert told.keys() == STATS, key
        channels = features[key]["shape"][-1:]
        shape = (3, 1, 1) if "image" in key else tuple(channels)
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


def test_a_pictured_store_is_a_dataset(tmp_path: Path) -> None:
    store = pictured_store(tmp_path, "cameras=[top,vil_camera]", "colour=true")
    to_lerobot.write(store, tmp_path / "out")
    info, rows, columns = check_dataset(tmp_path / "out")
    assert (info["fps"], len(rows)) == (50, 3)
    kept = {
        "observation.robot_state": "state",
        "observation.point_cloud": "point_cloud",
        "observation.depth.top": "depth_top",
        "action": "action",
        "next.reward": "reward",
        "next.success": "success",
    }
    for key, name in kept.items():
        np.testing.assert_array_equal(np.array(columns[key]), store.read(name))
    assert np.flatnonzero(columns["next.done"]).tolist() == [11, 23, 35]
    cloud = info["features"]["observation.point_cloud"]
    assert cloud["shape"] == [64, 6]
    assert cloud["info"]["channels"] == ["x", "y", "z", "red", "green", "blue"]
    assert (cloud["info"]["frame"], cloud["info"]["units"]) == ("world", "metres")
    assert info["cameras"] == store.attributes["cameras"]
    assert info["made_from"]["identity"] == store.attributes["identity"]


def test_every_picture_is_where_its_episode_says(tmp_path: Path) -> None:
    store = pictured_store(tmp_path)
    to_lerobot.write(store, tmp_path / "out")
    film = imageio.get_reader(next((tmp_path / "out").glob("videos/*/*/*.mp4"))).iter_data()
    pictures = store.read("img")
    # A picture is four levels of grey from the next one.
    for shown, picture in zip(film, pictures, strict=True):
        assert abs(float(shown.mean()) - float(picture.mean())) < 1.5


def test_statistics_are_those_of_the_data(tmp_path: Path) -> None:
    store = made_store(tmp_path / "s.zarr")
    to_lerobot.write(store, tmp_path / "out")
    check_dataset(tmp_path / "out")
    told = read_json(tmp_path / "out/meta/stats.json")
    for key, name in {
        "observation.robot_state": "state",
        "observation.point_cloud": "point_cloud",
    }.items():
        values = store.read(name)
        flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
        assert told[key]["count"] == [290]
        for stat in ("min", "max", "mean", "std"):
            expected = getattr(np, stat)(flat, axis=0)
            np.testing.assert_allclose(told[key][stat], expected, atol=1e-9)


def test_statistics_of_halves_are_those_of_the_whole() -> None:
    values = np.random.default_rng(0).normal(size=(50, 7, 3))
    whole, halves = stats_of(values), joined(stats_of(values[:20]), stats_of(values[20:]))
    for name in ("min", "max", "mean", "std", "count"):
        np.testing.assert_allclose(halves[name], whole[name])


def test_files_that_are_full_are_followed_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("DATA_FILE_MB", "VIDEO_FILE_MB"):
        monkeypatch.setattr(lerobot_files, limit, 1e-6)
    monkeypatch.setattr(lerobot_files, "CHUNK_FILES", 2)
    to_lerobot.write(pictured_store(tmp_path), tmp_path / "out")
    _, rows, _ = check_dataset(tmp_path / "out")
    places = [(row["data/chunk_index"], row["data/file_index"]) for row in rows]
    assert places == [(0, 0), (0, 1), (1, 0)]
    assert len(list((tmp_path / "out").glob("videos/*/*/*.mp4"))) > 1


def test_what_was_never_recorded_is_left_out(tmp_path: Path) -> None:
    to_lerobot.write(made_store(tmp_path / "s.zarr", bare=True), tmp_path / "out")
    info, _, _ = check_dataset(tmp_path / "out")
    assert info["features"].keys() == {"observation.robot_state", "action", "next.done", *OWN}
    assert info["video_path"] is None


@pytest.mark.parametrize("task", ["adroit-door", "metaworld-reach"])
def test_the_rate_is_that_of_the_simulators_clock(task: str, tmp_path: Path) -> None:
    config = task_config(task)
    simulator = make_simulator(config)
    simulator.reset(0)
    before_s = simulator.data.time
    simulator.step(np.zeros(simulator.action_size, np.float32))
    said = attributes(env=json.loads(json.dumps(asdict(config))))
    with EpisodeStore.writing(tmp_path / "s.zarr", PLAIN, said) as store:
        rate = to_lerobot.frames_per_second(store)
    assert rate * (simulator.data.time - before_s) == pytest.approx(1)
