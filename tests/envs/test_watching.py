"""What a point lies on is what the simulator says, at the very points of a cloud."""

import numpy as np
import pytest

from envs.make import make_scene, make_simulator
from envs.rendering.nearest import nearest_point
from envs.simulator import GOAL, HAND, OBJECT, Watched
from perception.errors import InputError
from perception.point_cloud import Box
from tests.conftest import task_config

TASKS = ("adroit-door", "adroit-hammer", "adroit-pen", "metaworld-reach", "metaworld-faucet-open")


@pytest.mark.parametrize("task", TASKS)
def test_points_on_a_thing_lie_where_it_is(task: str) -> None:
    env = task_config(task)
    simulator = make_simulator(env)
    assert isinstance(simulator, Watched)
    scene, roles = make_scene(simulator, env), simulator.roles()
    simulator.reset(3)
    state, where = simulator.scene_state(), simulator.places()
    points, shown = scene.points(state)[:, :3], scene.roles(state, roles)
    assert len(shown) == len(points)
    for role, place in ((HAND, where.hand), (OBJECT, where.object)):
        away_m = np.linalg.norm(points[shown == role] - place, axis=1)
        assert away_m.min() < 0.1
        assert away_m.max() < 0.5


def test_a_goal_is_its_mark_and_of_two_marks_the_task_s() -> None:
    simulator = make_simulator(task_config("metaworld-faucet-open"))
    assert isinstance(simulator, Watched)
    roles = simulator.roles()
    assert [simulator.model.site(i).name for i in np.flatnonzero(roles.sites == GOAL)] == [
        "goal_open"
    ]
    assert not (roles.bodies == GOAL).any()


def test_without_a_mark_the_goal_is_what_else_stands_there() -> None:
    simulator = make_simulator(task_config("metaworld-assembly"))
    assert isinstance(simulator, Watched)
    goals = np.flatnonzero(simulator.roles().bodies == GOAL)
    assert [simulator.model.body(i).name for i in goals] == ["peg"]


def test_where_the_box_holds_nothing_for_a_moment_the_nearest_point_is_seen() -> None:
    near = ("env.view.crop_low=[0.3,0.5,0.01]", "env.view.crop_high=[0.4,0.6,0.4]")
    env = task_config("metaworld-reach", *near, "env.view.points=8")
    simulator = make_simulator(env)
    scene = make_scene(simulator, env)
    cloud = scene.points(simulator.scene_state())
    assert cloud.shape == (8, 3)
    assert (cloud == cloud[0]).all()
    box = Box(env.view.crop_low, env.view.crop_high)
    nearest = nearest_point(scene.look(env.view.cameras), box)
    np.testing.assert_array_equal(cloud[0], nearest)
    far = task_config("metaworld-reach", "env.view.crop_low=[5,5,5]", "env.view.crop_high=[6,6,6]")
    with pytest.raises(InputError, match="move crop_low"):
        make_scene(simulator, far).points(simulator.scene_state())
