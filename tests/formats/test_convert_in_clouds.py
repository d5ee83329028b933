"""Clouds that others recorded become a store: DP3's padding and colours, robomimic's keys."""

from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr

from configs.command import compose
from datasets.collection.rerender import render_again
from datasets.formats.clouds import cleaned
from datasets.formats.converter import ConvertConfig, convert
from datasets.store.store import EpisodeStore
from datasets.windows import load_windows
from perception.errors import InputError
from tests.datasets.test_render import render_config

h5py: Any = pytest.importorskip("h5py")

STEPS, POINTS = 12, 32
PLAIN = {"count": None, "colour": None, "scale": 1.0, "where": "here"}


def converted(source: Path, to: Path, *overrides: str) -> EpisodeStore:
    own = [f"from={source}", f"to={to}", "workers=0"]
    convert(compose(ConvertConfig, "convert", [*own, *overrides]))
    return EpisodeStore.open(to)


def clouds(channels: int = 6, full: float = 255.0) -> np.ndarray:
    """Give clouds as DP3 keeps them: the fourth has but ten points, the rest is zeros."""
    rng = np.random.default_rng(0)
    made = rng.uniform(-1, 1, (STEPS, POINTS, channels)).astype(np.float32)
    made[..., 3:] = np.round(rng.uniform(0, full, (STEPS, POINTS, max(channels - 3, 0))), 3)
    made[3, 10:] = 0
    return made


def write_dp3(path: Path, *, points: np.ndarray | None = None, **more: np.ndarray) -> Path:
    """Write a dataset as DP3 does with zarr 2."""
    rng = np.random.default_rng(1)
    arrays = {
        "state": rng.normal(size=(STEPS, 24)).astype(np.float32),
        "action": rng.uniform(-1, 1, (STEPS, 28)).astype(np.float32),
        "point_cloud": clouds() if points is None else points,
        "img": rng.integers(0, 255, (STEPS, 8, 8, 3)).astype(np.uint8),
        **more,
    }
    group = zarr.open_group(path, mode="w", zarr_format=2)
    compressor = numcodecs.Blosc(cname="zstd", clevel=3, shuffle=1)
    for name, values in arrays.items():
        group.create_array(
            f"data/{name}", data=values, chunks=(100, *values.shape[1:]), compressors=compressor
        )
    group.create_array("meta/episode_ends", data=np.array([5, STEPS]), compressors=compressor)
    return path


def write_robomimic(path: Path, *, cloud: str = "point_cloud", **obs: np.ndarray) -> Path:
    rng = np.random.default_rng(2)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = '{"env_name": "Lift", "type": 1}'
        for name, rows in (("demo_10", slice(5, None)), ("demo_2", slice(0, 5))):
            demo = data.create_group(name)
            steps = len(clouds()[rows])
            demo.attrs["num_samples"] = steps
            demo["actions"] = rng.uniform(-1, 1, (steps, 28))
            demo["rewards"] = np.arange(steps, dtype=float)
            demo["dones"] = np.arange(steps) == steps - 1
            demo["states"] = rng.normal(size=(steps, 40))
            demo[f"obs/{cloud}"] = clouds()[rows]
            demo["obs/robot0_eef_pos"] = rng.normal(size=(steps, 3))
            demo["obs/robot0_eef_quat"] = rng.normal(size=(steps, 4))
            demo["obs/robot0_gripper_qpos"] = rng.normal(size=(steps, 2))
            for key, values in obs.items():
                demo[f"obs/{key}"] = values[rows]
    return path


def test_dp3s_data_becomes_a_store(tmp_path: Path) -> None:
    source = write_dp3(tmp_path / "theirs.zarr")
    store = converted(source, tmp_path / "ours.zarr", "error_mm=0", "images=[img]")
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
    store = converted(write_dp3(tmp_path / "theirs.zarr"), tmp_path / "ours.zarr", "error_mm=0")
    points = store.read("point_cloud")
    assert (points != 0).any(axis=-1).all()
    real = {tuple(row) for row in clouds()[3, :10, :3]}
    assert {tuple(row) for row in points[3, :, :3]} == real
    _, counts = np.unique(points[3], axis=0, return_counts=True)
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("full", [1.0, 255.0])
def test_colours_run_to_one(tmp_path: Path, full: float) -> None:
    source = write_dp3(tmp_path / "theirs.zarr", points=clouds(full=full))
    colours = converted(source, tmp_path / "ours.zarr").read("point_cloud")[..., 3:]
    assert 0.9 < colours.max() <= 1


def test_a_dark_beginning_does_not_mislead(tmp_path: Path) -> None:
    points = clouds()
    points[:5, :, 3:] = np.minimum(points[:5, :, 3:], 1)
    source = write_dp3(tmp_path / "theirs.zarr", points=points)
    store = converted(source, tmp_path / "ours.zarr", "error_mm=0")
    assert store.read("point_cloud")[:5, :, 3:].max() <= 1 / 255 + 1e-6


def test_points_and_colours_can_be_left_out(tmp_path: Path) -> None:
    source = write_dp3(tmp_path / "theirs.zarr")
    store = converted(source, tmp_path / "ours.zarr", "points=8", "colour=false", "error_mm=0")
    points = store.read("point_cloud")
    assert points.shape == (STEPS, 8, 3)
    assert {tuple(row) for row in points[0]} <= {tuple(row) for row in clouds()[0, :, :3]}


def test_a_store_of_recorded_clouds_says_so(tmp_path: Path) -> None:
    store = converted(write_dp3(tmp_path / "theirs.zarr"), tmp_path / "ours.zarr")
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
        converted(source, tmp_path / "ours.zarr")
    store = converted(source, tmp_path / "ours.zarr", "task=cut-apples")
    assert store.attributes["task"] == "cut-apples"


def rewrite(path: Path, name: str, values: np.ndarray) -> None:
    group = zarr.open_group(path, mode="r+")
    del group[name]
    group.create_array(name, data=values)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("data/point_cloud", np.ones((STEPS, POINTS, 4)), r"must be \(step, point, 3 or 6\)"),
        ("data/point_cloud", np.zeros((STEPS, POINTS, 3)), "the cloud of step 0 is all zeros"),
        ("data/point_cloud", np.full((STEPS, POINTS, 3), np.nan), "point_cloud holds NaN"),
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
        converted(source, tmp_path / "ours.zarr")


def test_a_dataset_without_clouds_is_refused(tmp_path: Path) -> None:
    source = write_dp3(tmp_path / "theirs.zarr")
    del zarr.open_group(source, mode="r+")["data/point_cloud"]
    with pytest.raises(InputError, match="no data/point_cloud, only action, img, state: a cloud"):
        converted(source, tmp_path / "ours.zarr")


def test_options_that_do_not_apply_are_refused(tmp_path: Path) -> None:
    source = write_dp3(tmp_path / "theirs.zarr", points=clouds(3))
    for option, message in (
        ("cameras=[top]", "does not apply to dp3"),
        ("colour=true", "has no colours"),
        ("images=[depth]", "has no data/depth"),
    ):
        with pytest.raises(InputError, match=message):
            converted(source, tmp_path / "ours.zarr", option)


def test_robomimics_data_becomes_a_store(tmp_path: Path) -> None:
    source = write_robomimic(tmp_path / "theirs.hdf5")
    store = converted(source, tmp_path / "ours.zarr", "error_mm=0")
    assert store.episode_ends.tolist() == [5, STEPS]  # By number: demo_2 before demo_10.
    np.testing.assert_array_equal(store.read("point_cloud")[:3, :, :3], clouds()[:3, :, :3])
    with h5py.File(source) as file:
        demo = file["data/demo_2"]
        np.testing.assert_array_equal(store.read("sim_state")[:5], demo["states"])
        np.testing.assert_array_equal(
            store.read("state")[:5, :3], demo["obs/robot0_eef_pos"][:].astype(np.float32)
        )
    assert store.read("state").shape == (STEPS, 9)
    assert np.flatnonzero(store.read("success")).tolist() == [4, 11]
    assert store.read("reward")[:5].tolist() == [0, 1, 2, 3, 4]
    assert store.attributes["conversion"]["env_args"]["env_name"] == "Lift"
    assert len(load_windows([store.path], history=2, horizon=4, chunk=3)) > 0


def test_robomimics_keys_can_be_named(tmp_path: Path) -> None:
    angles = np.arange(STEPS * 7, dtype=float).reshape(STEPS, 7)
    source = write_robomimic(tmp_path / "theirs.hdf5", cloud="cloud", angles=angles)
    named = ("point_key=cloud", "state_keys=[angles,robot0_eef_pos]")
    store = converted(source, tmp_path / "ours.zarr", *named)
    np.testing.assert_array_equal(store.read("state")[:, :7], angles)
    assert store.read("state").shape == (STEPS, 10)


def test_robomimics_images_are_refused_and_what_is_missing_is_said(tmp_path: Path) -> None:
    pictures = np.zeros((STEPS, 8, 8, 3), np.uint8)
    source = write_robomimic(tmp_path / "theirs.hdf5", cloud="cloud", agentview_image=pictures)
    with pytest.raises(InputError, match="depth images and the cameras' intrinsics are missing"):
        converted(source, tmp_path / "ours.zarr")


def spoil_robomimic(path: Path, key: str, values: np.ndarray | None) -> None:
    with h5py.File(path, "r+") as file:
        del file[key]
        if values is not None:
            file[key] = values


@pytest.mark.parametrize(
    ("key", "values", "message"),
    [
        ("data/demo_2/actions", None, "lacks actions; it has dones"),
        ("data/demo_2/rewards", np.zeros(3), "5 actions, but 3 of rewards"),
        ("data/demo_2/obs/robot0_eef_pos", None, "name the robot's state by state_keys="),
    ],
)
def test_spoilt_robomimic_files_are_refused(
    tmp_path: Path, key: str, values: np.ndarray | None, message: str
) -> None:
    source = write_robomimic(tmp_path / "theirs.hdf5")
    spoil_robomimic(source, key, values)
    with pytest.raises(InputError, match=message):
        converted(source, tmp_path / "ours.zarr")


def test_clean_clouds_stay_as_they_are() -> None:
    points = clouds(3)[:3]
    np.testing.assert_array_equal(cleaned(points, **PLAIN), points)


def test_a_real_point_with_a_zero_is_no_padding() -> None:
    points = np.ones((1, 4, 3), np.float32)
    points[0, 1] = [0, 0, 0.5]
    np.testing.assert_array_equal(cleaned(points, **PLAIN), points)
