"""Recordings of ROS 2, written by the library's own writer, of what our simulator renders."""

import io
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.formats.ros2.definitions import DEFINITIONS

writing: Any = pytest.importorskip("mcap_ros2.writer")  # The extra `mcap`.

BEGIN_S = 1_700_000_000.0
FRAME_S = 0.05
PLACE = np.array([[0, -1, 0, 0.3], [1, 0, 0, -0.2], [0, 0, 1, 0.5], [0, 0, 0, 1.0]])  # Of the base.
A, B = 30.0, 0.5  # Of packed 32FC1.
Sent = tuple[float, str, str, dict[str, Any]]  # Stamp (s), topic, type, message.


def stamped(stamp: float, frame: str = "") -> dict[str, Any]:
    whole = round((BEGIN_S + stamp) * 1e9)
    return {"stamp": {"sec": whole // 10**9, "nanosec": whole % 10**9}, "frame_id": frame}


def image(stamp: float, depth_m: np.ndarray, frame: str, encoding: str) -> dict[str, Any]:
    """Write metres as a raw or packed image: `32FC1`, `16UC1`, `32FC1; compressedDepth`, ..."""
    values = depth_m.astype("<f4") if "32FC1" in encoding else np.rint(depth_m * 1000).astype("<u2")
    height, width = values.shape
    if "compressedDepth" in encoding:
        with np.errstate(divide="ignore"):
            inverse = np.where(depth_m > 0, np.rint(A * 1000 / depth_m + B), 0)
        codes = inverse.astype("<u2") if "32FC1" in encoding else values
        file = io.BytesIO()
        Image.fromarray(codes).save(file, "PNG")
        data = struct.pack("<iff", 0, A * 1000, B) + file.getvalue()
        return {"header": stamped(stamp, frame), "format": encoding, "data": data}
    return {
        "header": stamped(stamp, frame), "height": height, "width": width, "encoding": encoding,
        "is_bigendian": 0, "step": values.itemsize * width, "data": values.tobytes(),
    }  # fmt: skip


def info(stamp: float, k: np.ndarray, size: tuple[int, int], frame: str) -> dict[str, Any]:
    p = np.hstack([k, np.zeros((3, 1))])
    return {
        "header": stamped(stamp, frame), "width": size[0], "height": size[1],
        "distortion_model": "plumb_bob", "d": [0.0] * 5, "k": k.ravel().tolist(),
        "r": np.eye(3).ravel().tolist(), "p": p.ravel().tolist(),
    }  # fmt: skip


def joints(stamp: float, positions: Iterable[float], names: Iterable[str]) -> dict[str, Any]:
    return {
        "header": stamped(stamp),
        "name": list(names),
        "position": [float(p) for p in positions],
    }


def transform(stamp: float, parent: str, child: str, pose: np.ndarray) -> dict[str, Any]:
    x, y, z, w = quaternion_of(pose[:3, :3])
    place = dict(zip("xyz", map(float, pose[:3, 3]), strict=True))
    turn = {"x": x, "y": y, "z": z, "w": w}
    return {
        "header": stamped(stamp, parent), "child_frame_id": child,
        "transform": {"translation": place, "rotation": turn},
    }  # fmt: skip


def quaternion_of(turn: np.ndarray) -> tuple[float, ...]:
    """Give x, y, z, w: the eigenvector of the largest eigenvalue (Bar-Itzhack, 2000)."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = turn.tolist()
    matrix = np.array([
        [xx - yy - zz, yx + xy, zx + xz, zy - yz],
        [yx + xy, yy - xx - zz, zy + yz, xz - zx],
        [zx + xz, zy + yz, zz - xx - yy, yx - xy],
        [zy - yz, xz - zx, yx - xy, xx + yy + zz],
    ])  # fmt: skip
    return tuple(float(number) for number in np.linalg.eigh(matrix)[1][:, -1])


@dataclass
class Scene:
    """What one recording holds; a test changes it before it is written.

    Attributes:
        sent: All messages.
        definitions: Of the types.
    """

    sent: list[Sent] = field(default_factory=list)
    definitions: dict[str, str] = field(default_factory=lambda: dict(DEFINITIONS))

    def send(self, stamp: float, topic: str, kind: str, message: dict[str, Any]) -> None:
        self.sent.append((stamp, topic, kind, message))

    def drop(self, *topics: str) -> None:
        self.sent = [one for one in self.sent if one[1] not in topics]

    def of(self, topic: str) -> list[dict[str, Any]]:
        return [message for _, own, _, message in self.sent if own == topic]

    def write(self, path: Path, **options: Any) -> Path:  # noqa: ANN401
        with path.open("wb") as file, writing.Writer(file, **options) as writer:
            kinds: dict[str, Any] = {}
            for stamp, topic, kind, message in sorted(self.sent, key=lambda one: one[0]):
                if kind not in kinds:
                    kinds[kind] = writer.register_msgdef(kind, self.definitions[kind])
                logged = round((BEGIN_S + stamp) * 1e9)
                writer.write_message(topic, kinds[kind], message, logged, sequence=0)
        return path


def scene_of(film: list[Any], encoding: str = "32FC1", *, late_s: float = 0.0) -> Scene:
    """Record a film (tests.datasets.cameras.streaming) as a robot with ROS 2 would.

    Joints are measured 10 ms before each image, and once more, changed, 10 ms after it; commands
    come 5 ms after it. The base of the robot is fixed in the world, the cameras at the base.

    Args:
        film: Its steps.
        encoding: Of the depth images.
        late_s: How much later each further camera takes its images than the one before it.
    """
    scene = Scene()
    size = len(film[0].frame["robot_state"])
    names = [f"joint{index}" for index in range(size)]
    at_base = [transform(0, "world", "base", PLACE)]
    for number, name in enumerate(film[0].frame["depth"]):
        frame, first = f"{name}_optical_frame", film[0].frame
        pose = np.linalg.inv(PLACE) @ first["world_from_camera"][name]
        at_base.append(transform(0, "base", frame, pose))
        for index, step in enumerate(film):
            stamp = index * FRAME_S + number * late_s
            depth = step.frame["depth"][name]
            k = step.frame["intrinsics"][name]
            base, kind = f"/{name}/depth/image_rect_raw", "sensor_msgs/msg/Image"
            if "compressed" in encoding:
                base, kind = f"{base}/compressedDepth", "sensor_msgs/msg/CompressedImage"
            scene.send(stamp, base, kind, image(stamp, depth, frame, encoding))
            own = info(stamp, k, depth.shape[::-1], frame)
            scene.send(stamp, f"/{name}/depth/camera_info", "sensor_msgs/msg/CameraInfo", own)
    scene.send(-0.02, "/tf_static", "tf2_msgs/msg/TFMessage", {"transforms": at_base})
    for index, step in enumerate(film):
        for away, more in ((-0.01, 0.0), (0.01, 1.0)):
            stamp = index * FRAME_S + away
            state = joints(stamp, step.frame["robot_state"] + more, names)
            scene.send(stamp, "/joint_states", "sensor_msgs/msg/JointState", state)
        stamp = index * FRAME_S + 0.005
        command = {"data": [float(number) for number in step.action]}
        scene.send(stamp, "/commands", "std_msgs/msg/Float64MultiArray", command)
    return scene
