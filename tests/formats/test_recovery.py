"""The start of an episode of Adroit, found from its first observation."""

import numpy as np
import pytest

from envs.adroit.recovery import recover
from envs.adroit.restore import AdroitState, place
from perception.errors import InputError
from tests.helpers.foreign_data import TASKS, drawn_of, simulator_of


@pytest.mark.parametrize("task", TASKS)
def test_a_start_is_found_from_its_observation(task: str) -> None:
    simulator = simulator_of(task)
    for seed in range(2):
        simulator.reset(seed)
        qpos, drawn = simulator.data.qpos.copy(), drawn_of(simulator)
        found = recover(simulator, task, simulator.observation())
        np.testing.assert_allclose(found.qpos, qpos, atol=1e-9)
        np.testing.assert_allclose(found.drawn, drawn, atol=1e-9)


@pytest.mark.parametrize("task", TASKS)
def test_a_pose_is_found_beside_a_known_state(task: str) -> None:
    simulator, rng = simulator_of(task), np.random.default_rng(3)
    simulator.reset(3)
    known = AdroitState(simulator.data.qpos.copy(), simulator.data.qvel.copy(), drawn_of(simulator))
    posed = AdroitState(
        known.qpos + rng.uniform(-0.05, 0.05, known.qpos.size), known.qvel, known.drawn
    )
    place(simulator, posed)
    seen = simulator.observation()
    found = recover(simulator, task, seen, near=known)
    place(simulator, found)
    np.testing.assert_allclose(simulator.observation(), seen, atol=1e-7)
    if task != "pen":  # A pen's roll about its own length shows nowhere.
        np.testing.assert_allclose(found.qpos, posed.qpos, atol=1e-7)


def test_another_tasks_observation_has_no_start() -> None:
    simulator = simulator_of("door")
    simulator.reset(0)
    with pytest.raises(InputError, match="No state of door has the first observation"):
        recover(simulator, "door", np.full(39, 5.0))
