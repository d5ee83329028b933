"""DP3's clouds become a store: padding, colours, and what was never recorded."""

from pathlib import Path

import numpy as np
import pytest
import zarr

from datasets.collection.rerender import render_again
from datasets.formats.shared.clouds import cleaned
from datasets.windows import load_windows
from perception.errors import InputError
from tests.datasets.test_render import render_config
from tests.helpers.foreign_data import POINTS, STEPS, WHOLE, as_store, clouds, write_dp3

PLAIN = {"count": None, "colour": None, "scale": 1.0, "where": "here"}


def test_dp3s_data_becomes_a_store(tmp_path: Path) -> None:
    source = write_dp3(tmp_path / "theirs.zarr")
    store = as_store(source, tmp_path / "ours.zarr", "error_mm=0", "images=[img]")
    theirs = zarr.open_group(source, mode="r")
    assert store.episode_ends.tolist() == [5, STEPS]
    assert store.names == ["action", "img", "point_cloud", "state"]
    for name in ("action", "img", "state"):
        np.testing.assert_array_equal(store.read(name), theirs[f"data/{name}"][:])
    points = store.read("point_cloud")
    whole = np.arange(STEPS) != 3
    np.testing.assert_array_equal(points[whole][..., :3], clouds()[whole][..., :3])
    np.testing.assert_allclose(points[whole][..., 3:] * 255, clouds()[whole][..., 3:], atol=1e-4)
    assert store.read_recording(0).rewards is None
    assert store.read_recording(0).provenance is None


def test_padding_becomes_repeated_points(tmp_path: Path) -> None:
    store = as_store(write_dp3(tmp_path / "theirs.zarr"), tmp_path / "ours.zarr", "error_mm=0")
    points = store.read("point_cloud")
    assert (points != 0).any(axis=-1).all()
    real = {tuple(row) for row in clouds()[3, :10, :3]}
    assert {tuple(row) for row in points[3, :, :3]} == real
    _, counts = np.unique(points[3], axis=0, return_counts=True)
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("full", [1.0, 255.0])
def test_colours_run_to_one(tmp_path: Path, full: float) -> None:
    source = write_dp3(tmp_path / "theirs.zarr", points=clouds(full=full))
    colours = as_store(source, tmp_path / "ours.zarr").read("point_cloud")[..., 3:]
    assert 0.9 < colours.max() <= 1


def test_a_dark_beginning_does_not_mislead(tmp_path: Path) -> None:
    points = clouds()
    points[:5, :, 3:] = np.minimum(points[:5, :, 3:], 1)
    source = write_dp3(tmp_path / "theirs.zarr", points=points)
    store = as_store(source, tmp_path / "ours.zarr", "error_mm=0")
    assert store.read("point_cloud")[:5, :, 3:].max() <= 1 / 255 + 1e-6


def test_points_and_colours_can_be_left_out(tmp_path: Path) -> None:
    source = write_dp3(tmp_path / "theirs.zarr")
    store = as_store(source, tmp_path / "ours.zarr", "points=8", "colour=false", "error_mm=0")
    points = store.read("point_cloud")
    assert points.shape == (STEPS, 8, 3)
    assert {tuple(row) for row in points[0]} <= {tuple(row) for row in clouds()[0, :, :3]}


def test_a_store_of_recorded_clouds_says_so(tmp_path: Path) -> None:
    store = as_store(write_dp3(tmp_path / "theirs.zarr"), tmp_path / "ours.zarr")
    said = store.attributes
    assert (said["task"], said["frame"], said["cameras"]) == ("adroit-door", "as recorded", {})
    assert said["identity"]["source"]["format"] == "dp3"
    assert said["identity"]["source"]["name"] == "theirs.zarr"
    windows = load_windows([store.path], history=2, horizon=4, chunk=3)
    assert windows.observations.points.shape == (STEPS, POINTS, 6)
    with pytest.raises(InputError, match="holds no simulator state"):
        render_again(render_config(store.path, tmp_path / "again.zarr"))


def test_a_task_of_ones_own_has_any_action(tmp_path: Path) -> None:
    action = np.zeros((STEPS, 7), np.float32)
    source = write_dp3(tmp_path / "theirs.zarr", action=action)
    with pytest.raises(InputError, match="Actions of 7 numbers are not adroit-door's"):
        as_store(source, tmp_path / "ours.zarr")
    store = as_store(source, tmp_path / "ours.zarr", "task=cut-apples")
    assert store.attributes["task"] == "cut-apples"


def rewrite(path: Path, name: str, values: np.ndarray) -> None:
    group = zarr.open_group(path, mode="r+")
    del group[name]
    group.create_array(name, data=values, config=WHOLE)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("data/point_cloud", np.ones((STEPS, POINTS, 4)), r"must be \(step, point, 3 or 6\)"),
        (
            "data/point_cloud",
            np.zeros((STEPS, POINTS, 3)),
            "episode 0, step 0: the cloud is all zeros",
        ),
        (
            "data/point_cloud",
            np.full((STEPS, POINTS, 3), np.nan),
            "point_cloud, episode 0, step 0 holds NaN or infinity .96 of 96",
        ),
        ("data/point_cloud", np.full((STEPS, POINTS, 3), 9.0), "need error_mm=0"),
        ("data/point_cloud", np.full((STEPS, POINTS, 6), -1.0), "colours run from"),
        ("data/action", np.ones((5, 28)), "data/action has 5 of 12 steps"),
        ("meta/episode_ends", np.array([5, 5]), "episode_ends does not ascend"),
    ],
)
def test_spoilt_datasets_are_refused(
    tmp_path: Path, name: str, values: np.ndarray, message: str
) -> None:
    source = write_dp3(tmp_path / "theirs.zarr")
    rewrite(source, name, values)
    with pytest.raises(InputError, match=message):
        as_store(source, tmp_path / "ours.zarr")


def test_a_dataset_without_clouds_is_refused(tmp_path: Path) -> None:
    source = write_dp3(tmp_path / "theirs.zarr")
    del zarr.open_group(source, mode="r+")["data/point_cloud"]
    with pytest.raises(InputError, match="no data/point_cloud, only action, img, state: a cloud"):
        as_store(source, tmp_path / "ours.zarr")


def test_options_that_do_not_apply_are_refused(tmp_path: Path) -> None:
    source = write_dp3(tmp_path / "theirs.zarr", points=clouds(3))
    for option, message in (
        ("cameras=[top]", "does not apply to dp3"),
        ("colour=true", "has no colours"),
        ("points=0", "points must be between 1 and"),
        ("images=[depth]", "has no data/depth"),
    ):
        with pytest.raises(InputError, match=message):
            as_store(source, tmp_path / "ours.zarr", option)


def test_clean_clouds_stay_as_they_are() -> None:
    points = clouds(3)[:3]
    np.testing.assert_array_equal(cleaned(points, **PLAIN), points)


def test_a_real_point_with_a_zero_is_no_padding() -> None:
    points = np.ones((1, 4, 3), np.float32)
    points[0, 1] = [0, 0, 0.5]
    np.testing.assert_array_equal(cleaned(points, **PLAIN), points)
