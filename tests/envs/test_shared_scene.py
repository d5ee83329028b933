"""Environments of one process are drawn in one scene, and each sees what it would see alone."""

import numpy as np
import pytest

from envs.vector.chunked_env import ChunkedTask
from envs.vector.vector_env import Shapes, VectorEnv
from tests.conftest import task_config


@pytest.mark.parametrize("task", ["adroit-door", "metaworld-reach"])
def test_a_shared_scene_shows_each_environment_its_own_task(task: str) -> None:
    config = task_config(task, "env.view.points=32", "env.episode_steps=6")
    seeds, rng = [3, 4, 5], np.random.default_rng(0)
    envs = VectorEnv(config, Shapes(envs=3, history=2, chunk=3), workers=0)
    alone = [ChunkedTask(config, history=2) for _ in seeds]
    together = envs._workers[0]._tasks.values()
    assert len({id(one.scenes.show(one.simulator)) for one in together}) == 1
    seen = envs.reset(seeds)
    for env, (one, seed) in enumerate(zip(alone, seeds, strict=True)):
        np.testing.assert_array_equal(seen.points[env], one.reset(seed).points)
    for _ in range(2):
        chunks = rng.uniform(-1, 1, (3, 3, envs.sizes["actions"])).astype(np.float32)
        outcome = envs.step(chunks)
        for env, one in enumerate(alone):
            expected = one.step(chunks[env])
            np.testing.assert_array_equal(
                outcome.observations.points[env], expected.observation.points
            )
            np.testing.assert_array_equal(outcome.rewards[env], expected.rewards)
