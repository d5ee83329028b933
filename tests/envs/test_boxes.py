"""Each of Meta-World's tasks is seen in a box of its own, which holds what matters to it."""

import re

import numpy as np
import pytest

from configs.command.tables import table
from envs.boxes import box_of, has_own_box, own_box
from envs.make import make_scene, make_simulator
from envs.metaworld.simulator import MetaWorldSimulator, task_names
from envs.simulator import HAND, OBJECT
from perception.errors import InputError
from perception.point_cloud import Box, inside
from tests.conftest import task_config

ROWS = table("metaworld-boxes")


def test_every_task_has_a_box() -> None:
    assert set(ROWS) == {*task_names(), "any"}
    for low, high in ROWS.values():
        Box(tuple(low), tuple(high))  # Refuses one turned round.
        assert low[1] >= 0.2


@pytest.mark.parametrize("task", ["reach", "hand-insert", "sweep"])
def test_a_task_is_seen_in_its_box_unless_another_is_said(task: str) -> None:
    env = task_config(f"metaworld-{task}")
    assert has_own_box(env)
    assert [list(corner) for corner in box_of(env.view).values()] == ROWS[task]
    said = task_config(f"metaworld-{task}", "env.view.crop_low=[-1,-1,0]")
    assert said.view.crop_low == (-1.0, -1.0, 0.0)
    assert not has_own_box(said)


def test_tasks_without_a_table_have_no_box_of_their_own() -> None:
    assert own_box("adroit", "door") is None
    assert own_box("my_tasks:Puck", "puck") is None
    assert not has_own_box(task_config("adroit-door"))


def test_a_task_that_is_not_there_is_refused_by_the_simulator() -> None:
    env = task_config("metaworld-fly")
    with pytest.raises(InputError, match=re.escape("Meta-World has no task 'fly'")):
        make_simulator(env)


@pytest.mark.parametrize("task", ["reach", "pick-place", "peg-insert-side", "drawer-open"])
def test_starts_and_goals_lie_in_the_box_and_both_are_seen(task: str) -> None:
    env = task_config(f"metaworld-{task}", "env.view.points=256")
    simulator = make_simulator(env)
    assert isinstance(simulator, MetaWorldSimulator)
    scene, roles = make_scene(simulator, env), simulator.roles()
    box = Box(env.view.crop_low, env.view.crop_high)
    for seed in range(1000, 1005):
        simulator.reset(seed)
        where = np.stack(list(vars(simulator.places()).values()))
        assert inside(where, box).all()
        state = simulator.scene_state()
        shown = scene.roles(state, roles)
        assert (shown == HAND).sum() >= 5
        assert (shown == OBJECT).sum() >= 5
