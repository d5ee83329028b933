"""A cloud in the wrong place says what would bring it to the right one."""

from dataclasses import replace

import numpy as np
import pytest

from perception.camera import Pinhole
from perception.misplaced import OPENGL, explain
from perception.point_cloud import Box, View
from tests.perception.test_camera import random_pose

FLAT = np.ones((12, 16))


def seen_from(pose: np.ndarray) -> View:
    lens = np.array([[30.0, 0, 7.5], [0, 30, 5.5], [0, 0, 1]])
    return View(Pinhole.from_intrinsics(lens, (16, 12), pose), FLAT)


@pytest.mark.parametrize("seed", range(4))
def test_a_pose_that_is_given_otherwise_is_recognised(seed: int) -> None:
    true = random_pose(seed)
    middle = true[:3, 3] + true[:3, 2]
    box = Box(tuple(middle - 0.4), tuple(middle + 0.4))
    mistaken = {
        "most likely world_from_camera is turned round: give its inverse": np.linalg.inv(true),
        "most likely world_from_camera has opengl's axes": true @ OPENGL,
        "most likely world_from_camera is turned round and": np.linalg.inv(true @ OPENGL),
    }
    for said, pose in mistaken.items():
        text = explain([seen_from(pose)], box, 50).lower()
        assert said in text
        assert "; or " not in text
    away = Box(tuple(middle + 50), tuple(middle + 51))
    text = explain([seen_from(true)] * 2, away, 50)
    assert text.startswith("0 of 384 seen points lie in the crop box (")
    assert "at least 50 are needed; most lie within (" in text
    assert "Compare world_from_camera" in text


def test_a_camera_that_sees_nothing_is_covered() -> None:
    blind = replace(seen_from(np.eye(4)), depth_m=np.zeros((12, 16)))
    assert "is the camera covered" in explain([blind], Box((-1, -1, -1), (1, 1, 1)), 50)
