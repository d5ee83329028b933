"""Rotations of Meta-World's objects, had without the library's checks, are the same."""

import sys

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from envs.metaworld.rotations import OfMuJoCo
from envs.metaworld.simulator import MetaWorldSimulator
from tests.conftest import task_config


@pytest.mark.parametrize("task", ["reach", "peg-insert-side", "stick-pull"])
def test_metaworld_sees_the_same_rotations_without_checking_them(
    task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator = MetaWorldSimulator(task_config(f"metaworld-{task}"))
    module = sys.modules[type(simulator._env).__module__]
    assert module.__dict__["Rotation"] is OfMuJoCo
    quick, rng = [], np.random.default_rng(0)
    for _ in range(8):
        simulator.step(rng.uniform(-1, 1, 4))
        quick.append(simulator._env._get_quat_objects())
    monkeypatch.setattr(module, "Rotation", Rotation)
    simulator.reset(0)
    rng = np.random.default_rng(0)
    for expected in quick:
        simulator.step(rng.uniform(-1, 1, 4))
        np.testing.assert_array_equal(simulator._env._get_quat_objects(), expected)
