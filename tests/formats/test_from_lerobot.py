"""Reading LeRobot's datasets: our own export comes back, and foreign depth becomes clouds."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datasets.formats import to_lerobot
from datasets.formats.detect import detect
from datasets.store.store import EpisodeStore
from perception.camera import Pinhole
from perception.errors import InputError
from perception.point_cloud import Box, View, fuse
from tests.formats.test_convert_out import made_store, pictured_store
from tests.helpers.foreign_data import as_store, converted, write_dp3
from tests.helpers.lerobot.made import (
    CAMERA,
    DEPTH,
    LENGTHS,
    LENS,
    POSE,
    SIZE,
    change_info,
    depths,
    parquet,
    pictures,
    pyarrow,
    say_cameras,
    write_lerobot,
)

LOW, HIGH = (-1.0, -1.0, 0.01), (1.0, 1.0, 1.0)  # Over the floor: the bump.
OWN = ("task=mine", f"env.view.crop_low={list(LOW)}", f"env.view.crop_high={list(HIGH)}")
CAMERA_OF = Pinhole.from_intrinsics(np.array(LENS), SIZE[::-1], np.array(POSE))


def lifted(depth_m: np.ndarray, colour: np.ndarray | None = None) -> np.ndarray:
    return fuse([View(CAMERA_OF, depth_m, colour)], Box(LOW, HIGH), 64)


def test_our_own_export_comes_back(tmp_path: Path) -> None:
    store = pictured_store(tmp_path, "cameras=[top,vil_camera]", "colour=true")
    to_lerobot.write(store, tmp_path / "out")
    assert detect(tmp_path / "out") == "lerobot"
    back = as_store(tmp_path / "out", tmp_path / "back.zarr", "images=[img,depth]", "error_mm=0")
    assert back.episode_ends.tolist() == store.episode_ends.tolist()
    for name in ("point_cloud", "state", "action", "reward", "success", "depth_top"):
        np.testing.assert_array_equal(back.read(name), store.read(name), name)
    far = back.read("img_vil_camera").astype(int) - store.read("img_vil_camera")
    assert np.abs(far).mean() < 2
    for said in ("cameras", "frame"):
        assert back.attributes[said] == store.attributes[said]
    assert back.attributes["units"] == "metres"
    # Depth was drawn from the same states: lifted again, the clouds are the store's.
    view = store.env.view
    crop = [f"env.view.{n}={list(getattr(view, n))}" for n in ("crop_low", "crop_high")]
    seen = ("cameras=[top,vil_camera]", "colour=false", *crop)
    again = converted(tmp_path / "out", tmp_path / "again.zarr", *seen).read("point_cloud")
    np.testing.assert_allclose(again, store.read("point_cloud")[..., :3], atol=2e-4)


def test_what_was_never_recorded_stays_unknown(tmp_path: Path) -> None:
    to_lerobot.write(made_store(tmp_path / "bare.zarr", bare=True), tmp_path / "bare")
    with pytest.raises(InputError, match="bare has neither clouds nor depth"):
        as_store(tmp_path / "bare", tmp_path / "none.zarr")
    store = as_store(write_dp3(tmp_path / "t.zarr"), tmp_path / "s.zarr", "task=mine")
    to_lerobot.write(store, tmp_path / "out")
    back = as_store(tmp_path / "out", tmp_path / "back.zarr", "task=mine", "error_mm=0")
    np.testing.assert_allclose(back.read("point_cloud"), store.read("point_cloud"), atol=1e-6)
    assert not {"reward", "success"} & set(back.names)
    assert (back.attributes["frame"], back.attributes["units"]) == ("as recorded", "as recorded")


@pytest.mark.parametrize("kind", ["float32", "uint16", "png", "tiff", "video"])
def test_depth_of_every_kind_becomes_clouds(kind: str, tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "lift", kind)
    say_cameras(root, {"top": CAMERA})
    store = converted(root, tmp_path / "s.zarr", *OWN, "images=[depth]", "error_mm=0")
    assert np.diff(store.episode_ends, prepend=0).tolist() == list(LENGTHS)
    assert store.read("reward").tolist() == list(range(9))
    assert "success" not in store.names
    seen, points, expected = store.read("depth"), store.read("point_cloud"), depths()
    # LeRobot's codes are 1.3 to 1.5 mm apart at a metre.
    np.testing.assert_allclose(seen, expected, atol=8e-4 if kind == "video" else 1e-7)
    assert (seen[:, 0, 0] == 0).all()
    for cloud, depth in zip(points, seen, strict=True):
        np.testing.assert_array_equal(cloud, lifted(depth))
    assert store.attributes["cameras"] == {"top": CAMERA}
    assert (store.attributes["frame"], store.attributes["units"]) == ("world", "metres")


def test_points_are_coloured_by_the_pictures(tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "lift", "uint16", filmed=True)
    say_cameras(root, {"top": CAMERA})
    store = converted(root, tmp_path / "s.zarr", *OWN, "images=[img]", "colour=true")
    colours = store.read("point_cloud")[..., 3:]
    grey = pictures().mean(axis=(1, 2, 3)) / 255
    np.testing.assert_allclose(colours.mean(axis=(1, 2)), grey, atol=0.015)
    assert store.read("img").shape == (9, *SIZE, 3)


def test_cameras_are_found_where_they_are_said(tmp_path: Path) -> None:
    root, pose = write_lerobot(tmp_path / "lift"), np.array(POSE)
    pose[0, 3] = 9
    away = {**CAMERA, "world_from_camera": pose.tolist()}
    change_info(root, cameras={DEPTH: CAMERA})
    with_info = converted(root, tmp_path / "a.zarr", *OWN)
    say_cameras(root, {"top": away})  # LeRobot rewrites info.json: the file beside it counts.
    with pytest.raises(InputError, match=r"lift, episode 0, frame 0: No point lies inside"):
        converted(root, tmp_path / "b.zarr", *OWN)
    given = tmp_path / "calibration.json"
    given.write_text(json.dumps({"top": CAMERA}))
    with_key = converted(root, tmp_path / "c.zarr", *OWN, f"calibration={given}")
    np.testing.assert_array_equal(with_info.read("point_cloud"), with_key.read("point_cloud"))


def no_version(root: Path) -> None:
    change_info(root, codebase_version="v2.1")


def no_camera(root: Path) -> None:
    say_cameras(root, {"wrist": CAMERA})


def half_a_camera(root: Path) -> None:
    say_cameras(root, {"top": {"intrinsics": LENS}})


def other_resolution(root: Path) -> None:
    say_cameras(root, {"top": {**CAMERA, "intrinsics": [[600, 0, 320], [0, 600, 240], [0, 0, 1]]}})


def cut_table(root: Path) -> None:
    file = root / "data/chunk-000/file-000.parquet"
    file.write_bytes(file.read_bytes()[:2000])


def lost_frame(root: Path) -> None:
    file = root / "data/chunk-000/file-000.parquet"
    parquet.write_table(parquet.read_table(file).slice(0, 8), file)


def not_finite(root: Path) -> None:
    file = root / "data/chunk-000/file-000.parquet"
    table = parquet.read_table(file)
    bad = pyarrow.array([[0.0, float("nan"), 0, 0]] * len(table))
    where = table.schema.get_field_index("action")
    parquet.write_table(table.set_column(where, "action", bad), file)


def leads_outside(root: Path) -> None:
    change_info(root, data_path="../../{chunk_index}{file_index}.parquet")


def no_episodes(root: Path) -> None:
    (root / "meta/episodes/chunk-000/file-000.parquet").unlink()


def broken_json(root: Path) -> None:
    (root / "meta/info.json").write_text('{"codebase_version": "v3.0", ')


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (no_version, "is LeRobot v2.1, and v3.0 is read: bring it up to date first"),
        (no_camera, "does not say where the camera of observation.images.top_depth stands: write"),
        (half_a_camera, "cameras.json: top: world_from_camera must be 4 x 4 numbers"),
        (other_resolution, r"lift: camera top: The picture is 24 x 16, and K has its middle at"),
        (cut_table, "file-000.parquet is damaged"),
        (lost_frame, "file-000.parquet has 4 of 5 frames of episode 1"),
        (not_finite, "lift, episode 0, frame 0: action holds NaN or infinity"),
        (leads_outside, "outside of the dataset"),
        (no_episodes, "holds no episode"),
        (broken_json, "info.json cannot be read"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(
    damage: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    root = write_lerobot(tmp_path / "lift")
    say_cameras(root, {"top": CAMERA})
    damage(root)
    with pytest.raises(InputError, match=said):
        converted(root, tmp_path / "s.zarr", *OWN)
    assert not (tmp_path / "s.zarr").exists()


@pytest.mark.parametrize("damage", ["missing", "cut", "short"])
def test_a_damaged_video_is_said(damage: str, tmp_path: Path) -> None:
    root = write_lerobot(tmp_path / "lift", "video")
    say_cameras(root, {"top": CAMERA})
    file = root / "videos" / DEPTH / "chunk-000/file-000.mp4"
    if damage == "missing":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:300])
    else:
        rows = parquet.read_table(path := root / "meta/episodes/chunk-000/file-000.parquet")
        name = f"videos/{DEPTH}/from_timestamp"
        late = pyarrow.array([0.0, 7 / 30])
        parquet.write_table(rows.set_column(rows.column_names.index(name), name, late), path)
    said = {"missing": "There is no", "cut": "no MP4", "short": "has 2 of 5 frames from 0.233 s"}
    with pytest.raises(InputError, match=said[damage]):
        converted(root, tmp_path / "s.zarr", *OWN)


@pytest.mark.parametrize(
    ("kind", "overrides", "said"),
    [
        (None, (), r"neither clouds nor depth.*Pictures alone \(observation.images.top\) give no"),
        ("uint16", ("cameras=[wrist]",), "has no depth of wrist; it has top"),
        (
            "uint16",
            ("state_keys=[joints]",),
            "has no joints: name the robot's state by state_keys=",
        ),
        ("uint16", ("task=null",), "Actions of 4 numbers are not adroit-door's, which has 28"),
        ("uint16", ("calibration=none.json",), "none.json cannot be read"),
    ],
)
def test_what_is_missing_is_named(
    kind: str | None, overrides: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    root = write_lerobot(tmp_path / "lift", kind, filmed=True)
    say_cameras(root, {"top": CAMERA})
    with pytest.raises(InputError, match=said):
        converted(root, tmp_path / "s.zarr", *OWN, *overrides)


def test_only_lerobot_takes_a_calibration(tmp_path: Path) -> None:
    data = write_dp3(tmp_path / "t.zarr")
    with pytest.raises(InputError, match="calibration= does not apply to dp3"):
        as_store(data, tmp_path / "s.zarr", "task=mine", "calibration=a.json")
    store = as_store(data, tmp_path / "s.zarr", "task=mine")
    assert isinstance(store, EpisodeStore)
    with pytest.raises(InputError, match="calibration would change nothing"):
        as_store(store.path, tmp_path / "out", "target=lerobot", "calibration=a.json")
