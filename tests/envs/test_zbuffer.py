"""The z-buffer against OpenGL, in 15 random states of eight tasks, and against plain geometry."""

from collections.abc import Iterator

import mujoco
import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter

from envs.make import make_scene, make_simulator
from envs.rendering.closed import is_closed
from envs.rendering.gl import GLRenderer
from envs.rendering.meshes import drawn_parts, shape_mesh
from envs.rendering.scene import Scene
from envs.rendering.zbuffer import ZBuffer
from perception.camera import Pinhole, unproject
from tests.conftest import needs_gl, task_config

TASKS = [
    "adroit-door",
    "adroit-hammer",
    "adroit-pen",
    "metaworld-reach",
    "metaworld-drawer-open",
    "metaworld-basketball",
    "metaworld-peg-insert-side",
    "metaworld-sweep-into",
]
TOLERANCE_M = 0.002


def on_silhouette(depth_m: np.ndarray) -> np.ndarray:
    """Tell which pixels have, among their neighbours, a depth that jumps."""
    filled = np.where(depth_m > 0, depth_m, 10.0)
    return maximum_filter(filled, 3) - minimum_filter(filled, 3) > 2 * TOLERANCE_M


@needs_gl
@pytest.mark.parametrize("task", TASKS)
def test_the_depth_is_opengls(task: str) -> None:
    config = task_config(task)
    simulator, size = make_simulator(config), config.view.image_size
    rng = np.random.default_rng(0)
    states = []
    for state in range(15):
        if state % 5 == 0:
            simulator.reset(state)
        for _ in range(4):
            simulator.step(rng.uniform(-1, 1, simulator.action_size))
        states.append(simulator.scene_state())
    for faces in ("front", "both"):
        scene = make_scene(simulator, task_config(task, f"env.view.faces={faces}"))
        oracle = GLRenderer(scene.model, size, size, two_sided=faces == "both")
        assert min(agreeing(scene, oracle, config.view.cameras[0], states)) >= 0.99


def agreeing(
    scene: Scene, oracle: GLRenderer, camera: str, states: list[np.ndarray]
) -> Iterator[float]:
    """Compare both in each state: give the share of pixels that agree; others are on edges."""
    for state in states:
        scene.put(state)
        ours, theirs = scene.depth(camera), oracle.depth(scene.data, camera)
        close = np.abs(ours - theirs) <= TOLERANCE_M
        assert (close | on_silhouette(theirs) | on_silhouette(ours)).all()
        assert np.median(np.abs(ours - theirs)) < 1e-5
        yield close.mean()


def test_a_sphere_has_its_analytic_depth() -> None:
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><camera pos='0 0 2' fovy='30'/>"
        "<geom type='sphere' size='0.3'/></worldbody></mujoco>"
    )
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    pose = np.diag([1.0, -1.0, -1.0, 1.0])
    pose[2, 3] = 2.0
    camera = Pinhole.from_fovy(30.0, (101, 101), world_from_camera=pose)
    depth_m, labels = ZBuffer(model).render(data, camera)
    assert depth_m[50, 50] == pytest.approx(1.7, abs=1e-5)
    assert labels[0, 0] == -1
    assert depth_m[0, 0] == 0
    radius = np.linalg.norm(unproject(depth_m, camera), axis=1)
    # 28 meridians and 16 parallels: a facet's middle lies up to 2 % inside the ball.
    assert radius.max() < 0.3 + 1e-5
    assert radius.min() > 0.3 * np.cos(np.pi / 16) * np.cos(np.pi / 28) - 1e-5


def test_a_floor_that_reaches_behind_the_camera_is_cut_at_the_near_plane() -> None:
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><geom type='plane' size='5 5 .1'/></worldbody></mujoco>"
    )
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    pose, sine, cosine = np.eye(4), np.sin(0.6), np.cos(0.6)
    # Half a metre above the middle, looking along world y and down by 0.6 radians.
    pose[:3, 1], pose[:3, 2], pose[2, 3] = [0, -sine, -cosine], [0, cosine, -sine], 0.5
    camera = Pinhole.from_fovy(40.0, (60, 60), world_from_camera=pose)
    depth_m, labels = ZBuffer(model).render(data, camera)
    assert (labels == 0).all()
    # Inverse depth is 100 per metre at the near plane, 0.01 m away: float32 errors of 1e-5 there.
    np.testing.assert_allclose(unproject(depth_m, camera)[:, 2], 0, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("SPHERE", (0.2, 0, 0)),
        ("ELLIPSOID", (0.1, 0.2, 0.3)),
        ("CAPSULE", (0.1, 0.2, 0)),
        ("CYLINDER", (0.1, 0.2, 0)),
        ("BOX", (0.1, 0.2, 0.3)),
    ],
)
def test_every_shape_is_closed_and_faces_outward(kind: str, size: tuple[float, ...]) -> None:
    mesh = shape_mesh(int(getattr(mujoco.mjtGeom, f"mjGEOM_{kind}")), np.array(size, np.float64))
    assert mesh is not None
    corners = mesh.vertices[mesh.faces]
    assert is_closed(mesh.vertices, mesh.faces)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (np.einsum("ij,ij->i", normals, corners.mean(axis=1)) > 0).all()
    # Closed: the area vectors cancel, and the enclosed volume is nearly the shape's own.
    np.testing.assert_allclose(normals.sum(axis=0), 0, atol=1e-9)
    volume = np.einsum("ij,ij->i", corners[:, 0], normals).sum() / 6
    x, y, z = size
    exact = {
        "SPHERE": 4 / 3 * np.pi * x**3,
        "ELLIPSOID": 4 / 3 * np.pi * x * y * z,
        "CAPSULE": 4 / 3 * np.pi * x**3 + 2 * np.pi * x**2 * y,
        "CYLINDER": 2 * np.pi * x**2 * y,
        "BOX": 8 * x * y * z,
    }[kind]
    assert volume == pytest.approx(exact, rel=0.03)


def test_what_is_invisible_is_not_drawn() -> None:
    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><geom size='.1' rgba='1 0 0 0'/><geom size='.1' group='3'/>"
        "<site size='.1'/><site size='.1' group='4'/><geom size='.1' rgba='1 0 0 1'/></worldbody>"
        "</mujoco>"
    )
    assert [(part.kind, part.index) for part in drawn_parts(model)] == [("geom", 2), ("site", 0)]
