"""Pictures that planners see: flat colours lit from the camera, upright, without OpenGL."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest

from datasets.collection.making import describe_camera
from envs.make import make_scene, make_simulator
from envs.rendering.zbuffer import ZBuffer
from perception.camera import Pinhole
from tests.conftest import needs_gl, task_config

COLOUR = np.array([204, 102, 51])
BALL = "<mujoco><worldbody><geom size='.5' rgba='.8 .4 .2 1'/></worldbody></mujoco>"


def test_a_ball_has_its_colour_in_the_middle_and_is_darker_towards_its_rim() -> None:
    model = mujoco.MjModel.from_xml_string(BALL)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    pose = np.eye(4)
    pose[2, 3] = -2.0  # It looks along z at the ball.
    camera = Pinhole.from_fovy(45.0, (81, 81), world_from_camera=pose)
    zbuffer = ZBuffer(model)
    picture = zbuffer.picture(data, camera)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, zbuffer.picture(data, camera))
    ball = zbuffer.render(data, camera)[1] >= 0
    assert (picture[~ball] == 255).all()
    assert 0.2 < ball.mean() < 0.6
    light = picture[ball] / COLOUR  # Of each colour the same, between that of the rim and all.
    assert light.max() <= 1
    assert light.min() > 0.4 - 1 / COLOUR.min()
    assert np.ptp(light, axis=1).max() < 2 / COLOUR.min()
    across = picture[40, 40:, 0][ball[40, 40:]].astype(int)
    assert across[0] > 0.97 * COLOUR[0]
    assert (np.diff(across) <= 4).all()  # A ball of triangles is not quite round.
    assert across[-1] < 0.6 * COLOUR[0]


@pytest.mark.parametrize(("task", "hangs"), [("adroit-door", False), ("metaworld-reach", True)])
def test_what_a_planner_sees_stands_upright(task: str, hangs: bool) -> None:
    env = task_config(task)
    simulator = make_simulator(env)
    simulator.reset(0)
    scene, (camera,) = make_scene(simulator, env), env.view.cameras
    seen = scene.images(simulator.scene_state())
    size = (env.view.image_size, env.view.image_size)
    assert seen.shape == (*size, 3)
    taken = scene.picture(camera, size)
    np.testing.assert_array_equal(seen, taken[::-1, ::-1] if hangs else taken)
    said = describe_camera(scene.camera(camera), pictures_upright=True)
    assert said.get("img_turned_deg") == (180 if hangs else None)
    assert "img_turned_deg" not in describe_camera(scene.camera(camera), pictures_upright=False)
    both = replace(env, view=replace(env.view, cameras=(camera, camera)))
    twice = make_scene(simulator, both).images(simulator.scene_state())
    np.testing.assert_array_equal(twice, np.concatenate([seen, seen], axis=-1))


@needs_gl
def test_opengls_pictures_are_turned_too_but_for_those_of_before() -> None:
    shown = {}
    for image in ("gl", "gl_turned"):
        env = task_config("metaworld-reach", f"env.view.image={image}")
        simulator = make_simulator(env)
        simulator.reset(0)
        shown[image] = make_scene(simulator, env).images(simulator.scene_state())
    np.testing.assert_array_equal(shown["gl"], shown["gl_turned"][::-1, ::-1])
    assert shown["gl"].std() > 10
