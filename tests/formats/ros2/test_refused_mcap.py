"""What cannot become an episode is refused in one line, whatever is wrong with the recording."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception.errors import InputError
from tests.datasets.cameras.streaming import Step
from tests.formats.ros2.bags import FRAME_S, Scene, joints, scene_of, transform
from tests.helpers.foreign_data import converted

DEPTH, INFO = "/top/depth/image_rect_raw", "/top/depth/camera_info"
STATE = "sensor_msgs/msg/JointState"


def refused(path: Path, to: Path, *given: str) -> str:
    with pytest.raises(InputError) as caught:
        converted(path, to, *given)
    assert not to.exists()
    said = str(caught.value)
    assert path.name in said
    assert "\n" not in said
    return said


def every(topic: str, **changes: Any) -> Callable[[Scene], None]:  # noqa: ANN401
    def change(scene: Scene) -> None:
        for message in scene.of(topic):
            message.update(changes)

    return change


def without(*topics: str) -> Callable[[Scene], None]:
    return lambda scene: scene.drop(*topics)


def in_millimetres(scene: Scene) -> None:
    for message in scene.of(DEPTH):
        values = np.frombuffer(message["data"], "<f4") * np.float32(1000)
        message["data"] = values.tobytes()


def looking_away(scene: Scene) -> None:
    """Turn the camera by half a turn about its upright axis."""
    (message,) = scene.of("/tf_static")
    turn = message["transforms"][-1]["transform"]["rotation"]
    x, y, z, w = (turn[axis] for axis in "xyzw")
    turn.update(x=-z, y=w, z=x, w=-y)  # Times the quaternion (0, 1, 0, 0).


def joints_pause(scene: Scene) -> None:
    pause = {id(message) for message in scene.of("/joint_states")[8:18]}
    scene.sent = [one for one in scene.sent if id(one[3]) not in pause]


def images_pause(scene: Scene) -> None:
    for index, (stamp, topic, kind, message) in enumerate(scene.sent):
        if topic == DEPTH and stamp > 0.29:
            message["header"]["stamp"]["sec"] += 2
            scene.sent[index] = (stamp + 2, topic, kind, message)
    for index in range(60):
        stamp = 0.6 + index * FRAME_S
        state = joints(stamp, np.zeros(24), scene.of("/joint_states")[0]["name"])
        scene.send(stamp, "/joint_states", STATE, state)
        scene.send(
            stamp + 0.005, "/commands", "std_msgs/msg/Float64MultiArray", {"data": [0.0] * 28}
        )


def second_state(scene: Scene) -> None:
    scene.send(0, "/leader/joint_states", STATE, joints(0, [0.0], ["a"]))


def second_camera(scene: Scene) -> None:
    for stamp, topic, kind, message in list(scene.sent):
        if topic == DEPTH:
            scene.send(stamp, "/wrist/depth/image_raw", kind, message)


def second_lens(scene: Scene) -> None:
    message = scene.of(INFO)[-1]
    message["p"] = [2 * number for number in message["p"]]


def turned_quaternion(scene: Scene) -> None:
    (message,) = scene.of("/tf_static")
    message["transforms"][0]["transform"]["rotation"]["w"] = 7.0


def two_parents(scene: Scene) -> None:
    (message,) = scene.of("/tf_static")
    message["transforms"].append({**message["transforms"][-1], "header": {"frame_id": "else"}})


def in_a_circle(scene: Scene) -> None:
    (message,) = scene.of("/tf_static")
    message["transforms"].append(transform(0, "base", "world", np.eye(4)))


def not_a_number(scene: Scene) -> None:
    scene.of("/joint_states")[3]["position"][5] = float("nan")


def speechless(scene: Scene) -> None:
    scene.of("/joint_states")[3]["position"].clear()


WRONG = [
    (in_millimetres, "these are millimetres, most likely"),
    (looking_away, r"step 0 at .* s: .*crop"),
    (
        joints_pause,
        r"nearest position of joint joint0 \(/joint_states\) is 0.\d+ s before it, more",
    ),
    (images_pause, "lie between this frame and the one before it.*cut it into two"),
    (second_state, "one topic of sensor_msgs/JointState.*there are /joint_states, /leader"),
    (second_camera, r"choose by cameras= of top \(/top/depth.*wrist \(/wrist/depth/image_raw\)"),
    (second_lens, "the lens changes during the recording"),
    (turned_quaternion, "the transform of base is none"),
    (two_parents, "frame top_optical_frame is placed in base and in else"),
    (in_a_circle, "go in a circle"),
    (not_a_number, "the position of joint5 is nan"),
    (speechless, "names 24 joints and has 0 positions"),
    (without(INFO), r"no sensor_msgs/CameraInfo of /top/depth.*there are none"),
    (without("/tf_static"), "no transforms say where camera top stands.*record /tf"),
    (without("/joint_states"), "there is none"),
    (without("/commands"), "action_key=/commands is no topic of.*there are /joint_states"),
    (without(DEPTH), "there are no depth images.*of images there is no topic.*/joint_states"),
    (every(DEPTH, encoding="mono16"), r"no depth images.*/top/depth/image_rect_raw \(mono16\)"),
    (every(DEPTH, width=2**32 - 1, height=2**32 - 1), "image is 4294967295 x 4294967295, and its"),
    (every(DEPTH, step=2**32 - 1), "in rows of 4294967295 bytes"),
    (every(DEPTH, data=b""), "has 0 bytes"),
    (every(INFO, width=848, height=480), "image is 84 x 84, and its camera_info is of 848 x 480"),
    (every(INFO, p=[0.0] * 12, k=[0.0] * 9), "the camera is not calibrated"),
    (every(INFO, p=[30, 0, 40, -5, 0, 30, 40, 0, 0, 0, 1, 0]), "second camera of a pair"),
]


@pytest.mark.parametrize(("spoil", "message"), WRONG)
def test_what_makes_no_sense_is_refused(
    spoil: Callable[[Scene], None], message: str, film: list[Step], seen: list[str], tmp_path: Path
) -> None:
    scene = scene_of(film)
    spoil(scene)
    path = scene.write(tmp_path / "a.mcap")
    said = refused(path, tmp_path / "a.zarr", *seen, "action_key=/commands")
    assert re.search(message, said), said


def raw_images(scene: Scene, **changes: Any) -> None:  # noqa: ANN401
    """Let the camera publish images that are not rectified."""
    scene.sent = [
        (stamp, topic.replace("image_rect_raw", "image_raw"), kind, message)
        for stamp, topic, kind, message in scene.sent
    ]
    every(INFO, **changes)(scene)


def test_distortion_is_undone_where_images_are_raw_and_another_model_is_refused(
    film: list[Step], seen: list[str], tmp_path: Path
) -> None:
    clouds = {}
    for name, d in {
        "none": [0.0] * 5,
        "bent": [0.05, 0, 0, 0, 0.0],
        "short": [0.05, 0, 0, 0],
    }.items():
        scene = scene_of(film)
        raw_images(scene, d=d)
        path = scene.write(tmp_path / f"{name}.mcap")
        clouds[name] = converted(path, tmp_path / f"{name}.zarr", *seen).read("point_cloud")
    assert np.abs(clouds["none"] - clouds["bent"]).max() > 1e-3
    np.testing.assert_array_equal(clouds["bent"], clouds["short"])
    fish = scene_of(film)
    raw_images(fish, d=[0.1] * 4, distortion_model="equidistant")
    said = refused(fish.write(tmp_path / "f.mcap"), tmp_path / "f.zarr", *seen)
    assert "distortion 'equidistant' of 4 numbers is not read" in said


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("cameras=[wrist]", r"no camera wrist takes depth; there are top \(/top"),
        ("state_keys=[/arm]", r"state_keys=/arm is no topic of sensor_msgs/JointState"),
        ("action_key=/tf", "action_key=/tf is no topic of"),
        ("world_frame=map", "no transforms lead from top_optical_frame to map"),
        ("colour=true", "colour=true and images=.img. do not apply"),
        ("images=[img]", "colour=true and images=.img. do not apply"),
        ("stale_s=0.001", "not one image of /top.*more than 0.001 s"),
    ],
)
def test_a_wrong_choice_names_what_is_there(
    given: str, message: str, film: list[Step], seen: list[str], tmp_path: Path
) -> None:
    path = scene_of(film).write(tmp_path / "a.mcap")
    with pytest.raises(InputError, match=message):
        converted(path, tmp_path / "a.zarr", *seen, given)


def test_recordings_that_differ_do_not_become_one_store(
    film: list[Step], seen: list[str], tmp_path: Path
) -> None:
    root = tmp_path / "takes"
    root.mkdir()
    scene_of(film).write(root / "a.mcap")
    other = scene_of(film)
    every("/joint_states", name=[f"axis{index}" for index in range(24)])(other)
    other.write(root / "b.mcap")
    assert "b.mcap: joints are /joint_states: axis0" in refuse_all(root, tmp_path, seen)
    other = scene_of(film)
    every(INFO, p=[30, 0, 40, 0, 0, 30, 40, 0, 0, 0, 1, 0])(other)
    other.write(root / "b.mcap")
    assert "b.mcap: clouds are of /top/depth/image_rect_raw" in refuse_all(root, tmp_path, seen)
    (root / "metadata.yaml").write_text("")
    assert "is one recording in 2 files: join them first" in refuse_all(root, tmp_path, seen)


def refuse_all(root: Path, tmp_path: Path, seen: list[str]) -> str:
    with pytest.raises(InputError) as caught:
        converted(root, tmp_path / "s.zarr", *seen)
    return str(caught.value)
