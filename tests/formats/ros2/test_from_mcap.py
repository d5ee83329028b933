"""What a robot with ROS 2 recorded becomes the store that the simulator's own rendering gives."""

from pathlib import Path

import numpy as np
import pytest

from datasets.cameras.describe import recorded_view
from datasets.formats.detect import detect
from datasets.store.store import EpisodeStore
from tests.datasets.cameras.streaming import Step, steps_of
from tests.formats.ros2.bags import BEGIN_S, FRAME_S, PLACE, joints, scene_of, transform
from tests.helpers.foreign_data import converted

ACTED = "action_key=/commands"


@pytest.mark.parametrize(
    ("encoding", "off_m"),
    [
        ("32FC1", 0),
        ("16UC1", 5e-4),
        ("16UC1; compressedDepth png", 5e-4),
        ("32FC1; compressedDepth", 2e-4),
    ],
)
def test_clouds_are_those_of_the_simulator_but_for_the_depths_rounding(
    encoding: str, off_m: float, film: list[Step], seen: list[str], tiny_store: Path, tmp_path: Path
) -> None:
    path = scene_of(film, encoding).write(tmp_path / "a.mcap", chunk_size=20_000)
    assert detect(path) == "mcap"
    given = [*seen, ACTED, "images=[depth]", "error_mm=0", "points=7056"]
    store, steps = converted(path, tmp_path / "a.zarr", *given), len(film)
    theirs = EpisodeStore.open(tiny_store)
    for name in ("state", "action"):
        np.testing.assert_array_equal(store.read(name), theirs.read(name, slice(0, steps)), name)
    stamps = BEGIN_S + FRAME_S * np.arange(steps)
    np.testing.assert_allclose(store.read("stamp"), stamps, rtol=0, atol=1e-6)
    assert recorded_view(store).cameras == ("top",)
    assert not {"reward", "success"} & set(store.names)
    # Pixel by pixel; a cloud of no sampling has a point for each that lies in the box.
    depth = np.stack([step.frame["depth"]["top"] for step in film])
    np.testing.assert_allclose(store.read("depth"), depth, atol=1.01 * off_m)
    for own, other in zip(store.read("point_cloud"), theirs.read("point_cloud"), strict=False):
        away = np.linalg.norm(own[None] - other[:, None], axis=-1)
        assert away.min(axis=1).max() < 1.5 * off_m + 2e-4  # The other store is of 0.09 mm.


def test_with_as_many_points_the_cloud_is_the_same(
    film: list[Step], seen: list[str], tiny_store: Path, tmp_path: Path
) -> None:
    path = scene_of(film).write(tmp_path / "a.mcap")
    store = converted(path, tmp_path / "a.zarr", *seen, ACTED)
    own = EpisodeStore.open(tiny_store).read("point_cloud", slice(0, len(film)))
    np.testing.assert_allclose(store.read("point_cloud"), own, atol=2e-4)


def test_without_commands_an_action_is_the_state_of_the_next_step(
    film: list[Step], seen: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = scene_of(film).write(tmp_path / "a.mcap")
    with caplog.at_level("INFO"):
        store = converted(path, tmp_path / "a.zarr", *seen)
    assert "an action is the robot's state at the next step; action_key= takes /comm" in caplog.text
    assert "left out" not in caplog.text
    states = np.array([step.frame["robot_state"] for step in film])
    np.testing.assert_array_equal(store.read("state"), states[:-1])
    np.testing.assert_array_equal(store.read("action"), states[1:])
    assert store.attributes["conversion"]["actions"] == "the robot's state at the next step"


def test_a_folder_holds_episodes_whose_joints_may_be_in_any_order(
    film: list[Step], seen: list[str], tmp_path: Path
) -> None:
    root = tmp_path / "recorded"
    for number in (0, 1):
        scene = scene_of(film)
        own = root / f"take{number}"
        own.mkdir(parents=True)
        (own / "metadata.yaml").write_text("rosbag2_bagfile_information: {}\n")
        for message in scene.of("/joint_states") if number else []:
            for part in ("name", "position"):
                message[part] = message[part][::-1]
        scene.write(own / f"take{number}_0.mcap", compression=writing_kind(number))
    store = converted(root, tmp_path / "s.zarr", *seen, ACTED)
    assert store.episode_ends.tolist() == [12, 24]
    for name in ("point_cloud", "state", "action"):
        first, second = np.split(store.read(name), 2)
        np.testing.assert_array_equal(first, second, name)


def writing_kind(number: int) -> object:
    kinds = pytest.importorskip("mcap.writer").CompressionType
    return (kinds.LZ4, kinds.NONE)[number]


def test_an_arm_and_a_gripper_may_speak_on_one_topic_or_on_two(
    film: list[Step], seen: list[str], tmp_path: Path
) -> None:
    one, two = scene_of(film), scene_of(film)
    for scene in (one, two):
        topic = "/joint_states" if scene is one else "/gripper/joint_states"
        for index in range(len(film)):
            stamp = index * FRAME_S - 0.015
            message = joints(stamp, [float(index)], ["finger"])
            scene.send(stamp, topic, "sensor_msgs/msg/JointState", message)
    both = "state_keys=[/joint_states,/gripper/joint_states]"
    together = converted(one.write(tmp_path / "a.mcap"), tmp_path / "a.zarr", *seen, ACTED)
    apart = converted(two.write(tmp_path / "b.mcap"), tmp_path / "b.zarr", *seen, ACTED, both)
    fingers, last = np.arange(len(film)), together.read("state")
    names = together.attributes["conversion"]["joints"]["/joint_states"]
    np.testing.assert_array_equal(last[:, names.index("finger")], fingers)
    np.testing.assert_array_equal(apart.read("state")[:, -1], fingers)


def test_two_cameras_are_fused_each_with_its_own_clock(
    two_cameras: Path, seen: list[str], tmp_path: Path
) -> None:
    film = list(steps_of(two_cameras, 0))
    path = scene_of(film, late_s=0.02).write(tmp_path / "a.mcap")
    asked = ("cameras=[top,/vil_camera/depth/image_rect_raw]", "images=[depth]", ACTED)
    store = converted(path, tmp_path / "a.zarr", *seen, *asked)
    own = EpisodeStore.open(two_cameras)
    np.testing.assert_allclose(store.read("point_cloud"), own.read("point_cloud"), atol=2e-4)
    late = np.array([step.frame["depth"]["vil_camera"] for step in film])
    np.testing.assert_array_equal(store.read("depth_vil_camera"), late)


def test_a_camera_that_moves_is_placed_between_two_transforms(
    film: list[Step], seen: list[str], tmp_path: Path
) -> None:
    scene, at_base = scene_of(film), None
    (static,) = scene.of("/tf_static")
    *static["transforms"], at_base = static["transforms"]
    for index in range(-1, 8):  # Every 100 ms, while images come every 50 ms.
        stamp = 0.1 * index
        moved = {**at_base, "header": transform(stamp, "base", "", np.eye(4))["header"]}
        place = at_base["transform"]["translation"]
        off = {**at_base["transform"], "translation": {**place, "z": place["z"] + 0.01 * index}}
        message = {"transforms": [{**moved, "transform": off}]}
        scene.send(stamp + 0.03, "/tf", "tf2_msgs/msg/TFMessage", message)
    path = scene.write(tmp_path / "a.mcap")
    still = np.array(film[0].frame["world_from_camera"]["top"])
    store = converted(path, tmp_path / "a.zarr", *seen, ACTED)
    placed = store.read("world_from_camera")[:, 0]
    height = still[2, 3] + 0.1 * FRAME_S * np.arange(len(film))
    np.testing.assert_allclose(placed[:, 2, 3], height, atol=1e-9)
    np.testing.assert_allclose(placed[:, :3, :3], np.tile(still[:3, :3], (12, 1, 1)), atol=1e-9)
    box = ("env.view.crop_low=[-9,-9,-9]", "env.view.crop_high=[9,9,9]", "world_frame=base")
    base = converted(path, tmp_path / "b.zarr", "task=mine", *box, ACTED)
    np.testing.assert_allclose(
        base.read("world_from_camera")[:, 0], np.linalg.inv(PLACE) @ placed, atol=1e-9
    )


def test_images_before_the_first_of_all_and_after_the_last_are_left_out(
    film: list[Step], seen: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene = scene_of(film)
    late = {id(message) for message in scene.of("/joint_states")[:6] + scene.of("/commands")[-2:]}
    scene.sent = [one for one in scene.sent if id(one[3]) not in late]
    with caplog.at_level("INFO"):
        store = converted(scene.write(tmp_path / "a.mcap"), tmp_path / "a.zarr", *seen, ACTED)
    assert store.steps == 7
    assert "a.mcap: 5 of its images, at its beginning and end, are left out" in caplog.text
    states = np.array([step.frame["robot_state"] for step in film])
    np.testing.assert_array_equal(store.read("state"), states[3:10])
