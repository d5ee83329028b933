"""What a trajectory looks like: planned paths."""

import numpy as np
import pytest

from envs.make import make_simulator
from envs.simulator import Simulator
from policy.rollouts.trajectory import PlannedActions, Trajectory
from policy.viewing.film import planned_paths
from tests.conftest import task_config


@pytest.fixture(scope="module")
def reach() -> Simulator:
    simulator = make_simulator(task_config("metaworld-reach"))
    simulator.reset(0)
    return simulator


def test_a_planned_path_by_hand(reach: Simulator) -> None:
    # Right by 1, then right by half and up by 1; the gripper's number moves nothing. Centimetres.
    actions = np.array([[1, 0, 0, -1], [0.5, 0, 1, 1]], np.float32)
    path = reach.hand_path(np.array([0.1, 0.6, 0.2]), actions)
    expected = [[0.1, 0.6, 0.2], [0.11, 0.6, 0.2], [0.115, 0.6, 0.21]]
    np.testing.assert_allclose(path, expected, atol=1e-7)


def test_meta_world_moves_its_hand_where_the_path_says(reach: Simulator) -> None:
    reach.reset(0)
    actions = np.tile(np.array([[1, -0.5, 0, 0]], np.float32), (10, 1))
    path = reach.hand_path(reach.hand(), actions)
    assert path is not None
    for action in (*actions, *np.zeros((10, 4), np.float32)):
        reach.step(action)
    np.testing.assert_allclose(reach.hand(), path[-1], atol=0.01)


def test_each_frame_shows_the_plan_that_holds(reach: Simulator) -> None:
    states = np.zeros((5, 9), np.float32)
    made = [(0, 1.0), (3, -1.0)]
    plans = [(step, np.full((2, 4), value, np.float32)) for step, value in made]
    trajectory = make_trajectory(states, plans)
    paths = planned_paths(trajectory, reach)
    ends = [round(float(path[-1, 0]), 6) for path in paths]
    assert ends == [0.02, 0.02, 0.02, -0.02, -0.02]
    assert planned_paths(trajectory, make_simulator(task_config("adroit-door"))) == []


def make_trajectory(states: np.ndarray, plans: list[tuple[int, np.ndarray]]) -> Trajectory:
    frames = len(states)
    return Trajectory(
        points=np.zeros((frames, 4, 3), np.float32),
        robot_states=states,
        scene_states=np.zeros((frames, 2)),
        hands=np.zeros((frames, 3)),
        actions=np.zeros((frames - 1, 4), np.float32),
        rewards=np.zeros(frames - 1),
        successes=np.zeros(frames - 1, bool),
        plans=tuple(PlannedActions(step, actions) for step, actions in plans),
    )
