"""Rays stop at the first surface, from whichever side they come, also at meshes with holes."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest

from envs.make import make_scene, make_simulator
from envs.rendering.closed import is_closed
from envs.rendering.meshes import shape_mesh
from envs.rendering.specks import without_specks
from envs.rendering.zbuffer import ZBuffer
from perception.camera import Pinhole
from tests.conftest import task_config

BOX = shape_mesh(int(mujoco.mjtGeom.mjGEOM_BOX), np.array([0.1, 0.2, 0.3]))
assert BOX is not None
CORNERS, FACES = BOX.vertices, BOX.faces


def test_only_what_encloses_a_body_is_closed() -> None:
    assert is_closed(CORNERS, FACES)
    assert not is_closed(CORNERS, FACES[1:])  # A hole.
    assert not is_closed(CORNERS, FACES[:, ::-1])  # Inside out.
    turned = np.concatenate([FACES[:1, ::-1], FACES[1:]])
    assert not is_closed(CORNERS, turned)  # One face looks inward.
    assert not is_closed(CORNERS, np.concatenate([FACES, FACES[:1]]))  # One is there twice.
    plane = shape_mesh(int(mujoco.mjtGeom.mjGEOM_PLANE), np.ones(3))
    assert plane is not None
    assert not is_closed(plane.vertices, plane.faces)


def test_corners_repeated_along_seams_are_one() -> None:
    apart = CORNERS[FACES].reshape(-1, 3)
    assert is_closed(apart, np.arange(len(apart)).reshape(-1, 3))


def test_each_piece_is_judged_by_itself() -> None:
    both = np.concatenate([CORNERS, CORNERS * 3 + 2.0])
    assert is_closed(both, np.concatenate([FACES, FACES + len(CORNERS)]))
    assert not is_closed(both, np.concatenate([FACES[:, ::-1], FACES + len(CORNERS)]))


def open_tube(two_sided: bool) -> np.ndarray:
    """Look from above, through a box without a lid, at its floor, and beside it at a table."""
    corners = " ".join(f"{x:g}" for x in CORNERS.ravel())
    lid = (CORNERS[FACES][:, :, 2] > 0).all(axis=1)
    faces = " ".join(str(i) for i in FACES[~lid][:, ::-1].ravel())  # It is seen from within.
    model = mujoco.MjModel.from_xml_string(
        f"<mujoco><asset><mesh name='tube' vertex='{corners}' face='{faces}' inertia='shell'/>"
        "</asset><worldbody><geom type='plane' size='2 2 .1' pos='0 0 -1'/>"
        "<geom type='mesh' mesh='tube'/></worldbody></mujoco>"
    )
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    pose[:3, 3] = [1.0, 0.0, 1.0]
    # From the side and above: the near wall is seen from without, that is from its back.
    forward = -pose[:3, 3] / np.linalg.norm(pose[:3, 3])
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    camera = Pinhole.from_fovy(40.0, (61, 61), world_from_camera=pose)
    return ZBuffer(model, two_sided=two_sided).render(data, camera)[0]


def test_a_wall_is_seen_from_its_back() -> None:
    through, stopped = open_tube(two_sided=False), open_tube(two_sided=True)
    assert (stopped <= through).all()
    assert (through - stopped > 0.1).sum() > 50


@pytest.mark.parametrize("task", ["metaworld-reach", "metaworld-pick-place"])
def test_clouds_do_not_see_through_the_arm(task: str) -> None:
    config = task_config(task)
    simulator = make_simulator(config)
    both, front = (
        make_scene(simulator, replace(config, view=replace(config.view, faces=faces)))
        for faces in ("both", "front")
    )
    seen_through = 0
    for seed in range(5):
        simulator.reset(seed)
        state = simulator.scene_state()
        both.put(state)
        front.put(state)
        closed, culled = both.depth("corner2"), front.depth("corner2")
        nothing_in_front = (culled == 0) | (closed <= culled + 1e-6)
        assert nothing_in_front.all()
        seen_through += int((culled - closed > 0.3).sum())
    assert seen_through > 50


def test_a_lone_pixel_behind_its_neighbours_is_no_part_of_a_picture() -> None:
    depth_m, labels = np.full((5, 6), 0.5), np.zeros((5, 6), np.int32)
    depth_m[1, 2], labels[1, 2] = 2.0, 3
    depth_m[3, 4], labels[3, 4] = 0.0, -1  # Nothing was hit.
    depth_m[:, 0], labels[:, 0] = 3.0, 4  # An edge is none.
    depth, label = without_specks(depth_m, labels)
    assert label[1, 2] == label[3, 4] == 0
    assert depth[1, 2] == depth[3, 4] == 0.5
    assert (label[:, 0] == 4).all()
    assert (label[:, 1:] == 0).all()
    assert labels[1, 2] == 3  # What was given stays.
