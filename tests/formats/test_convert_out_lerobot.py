"""LeRobot's v3.0 datasets: a checker of the documented format, and what was written, read back."""

import io
import json
from dataclasses import asdict, replace
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest
from PIL import Image

from datasets.formats import to_lerobot
from datasets.formats.lerobot import files as lerobot_files
from datasets.formats.lerobot.stats import joined, stats_of
from datasets.store.store import EpisodeStore
from envs.make import make_simulator
from tests.conftest import task_config
from tests.formats.test_convert_out import made_store, pictured_store
from tests.helpers.lerobot.dataset import OWN, check_dataset, read_json
from tests.helpers.made_up import PLAIN, attributes, episode

parquet = pytest.importorskip("pyarrow.parquet")  # The extra `convert`.


def test_a_pictured_store_is_a_dataset(tmp_path: Path) -> None:
    store = pictured_store(tmp_path, "cameras=[top,vil_camera]", "colour=true")
    to_lerobot.write(store, tmp_path / "out")
    info, rows, columns = check_dataset(tmp_path / "out")
    assert (info["fps"], len(rows)) == (50, 3)
    kept = {
        "observation.state": "state",
        "observation.point_cloud": "point_cloud",
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
    depth = info["features"]["observation.images.top_depth"]
    assert (depth["dtype"], depth["shape"][2]) == ("image", 1)
    assert depth["info"] == {"is_depth_map": True, "units": "metres", "depth_unit": "m"}
    for image, expected in zip(
        columns["observation.images.top_depth"], store.read("depth_top"), strict=True
    ):
        np.testing.assert_array_equal(Image.open(io.BytesIO(image["bytes"])), expected)
    assert info["cameras"] == store.attributes["cameras"]
    assert read_json(tmp_path / "out/meta/cameras.json") == info["cameras"]
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
        "observation.state": "state",
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
    assert info["features"].keys() == {"observation.state", "action", "next.done", *OWN}
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


@pytest.mark.parametrize(("step_s", "rate"), [(1 / 30, 30), (0.1, 10), (1 / 29.97, 30), (4.0, 1)])
def test_the_rate_of_a_recording_is_that_of_its_stamps(
    step_s: float, rate: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with EpisodeStore.writing(tmp_path / "s.zarr", PLAIN, attributes(recorded_from="a")) as store:
        for begin_s in (1.7e9, 1.8e9):  # What lies between two episodes is no step.
            stamps = begin_s + step_s * np.arange(9)
            stamps[5:] += 7 * step_s  # Nor are frames that were lost.
            store.append(replace(episode(9), further={"stamp": stamps}))
    with caplog.at_level("INFO"):
        to_lerobot.write(EpisodeStore.open(tmp_path / "s.zarr"), tmp_path / "out")
    info, _, columns = check_dataset(tmp_path / "out")
    assert info["fps"] == rate
    np.testing.assert_allclose(columns["timestamp"][:9], np.arange(9) / rate, atol=1e-6)
    assert f"{1 / step_s:.4g} steps a second: LeRobot is told {rate}" in caplog.text


@pytest.mark.parametrize(
    ("conversion", "rate"), [({"fps": 15.0}, 15), ({"fps": 0}, 50), ({"fps": "fast"}, 50), ({}, 50)]
)
def test_without_stamps_the_rate_is_that_of_where_a_store_came_from(
    conversion: dict[str, object], rate: int, tmp_path: Path
) -> None:
    said = {**attributes(a=1), "conversion": conversion}
    with EpisodeStore.writing(tmp_path / "s.zarr", PLAIN, said) as store:
        store.append(episode(1))  # One step has no rate, even if it had a stamp.
        assert to_lerobot.frames_per_second(store) == rate
