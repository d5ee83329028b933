"""Which chunks of an episode led to its success, by its task's rule."""

import numpy as np
import pytest

from envs.vector.vector_env import Shapes, VectorEnv
from policy.rollouts.episode import Episodes
from policy.rollouts.rollout import Rollout
from tests.conftest import task_config
from tests.helpers.small_planner import small_planner


@pytest.mark.parametrize(("rule", "led"), [("ever", [2, 4]), ("end", [4, 4])])
def test_what_led_to_a_success_ends_where_any_step_decides(rule: str, led: list[int]) -> None:
    config = task_config("adroit-door", "env.episode_steps=10", "env.view.points=32")
    envs = VectorEnv(config, Shapes(envs=2, history=2, chunk=3), workers=0)
    steps = list(Episodes(small_planner(), envs, [11, 12]))
    for step, touched in zip(steps, ([0, 0], [1, 0], [0, 0], [1, 0]), strict=True):
        step.outcome.touched[:] = np.array(touched, dtype=bool)
    episodes = Rollout.stack(steps, starts=[11, 12], success_at=rule).episodes
    assert episodes.ever.tolist() == [True, False]
    assert episodes.until_success.tolist() == led
