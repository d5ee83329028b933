"""The tasks keep Gymnasium's contract."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import envs.gymnasium_env  # noqa: F401 (registers the ids)

IDS = [
    ("sodp/adroit-door-v0", {}),
    ("sodp/adroit-hammer-v0", {"points": 128}),
    ("sodp/adroit-pen-v0", {"points": 64, "colour": True}),
    ("sodp/metaworld-v0", {"task": "reach"}),
]


@pytest.mark.filterwarnings("ignore:.*Box observation space.*infinity")
@pytest.mark.parametrize(("name", "options"), IDS)
def test_the_checker_of_gymnasium_passes(name: str, options: dict[str, object]) -> None:
    env = gym.make(name, render_mode="rgb_array", **options)
    check_env(env.unwrapped)
    env.reset(seed=0)
    picture = env.render()
    assert isinstance(picture, np.ndarray)
    assert picture.shape == (360, 480, 3)
    assert picture.std() > 10


def test_an_episode_ends_after_its_steps() -> None:
    env = gym.make("sodp/adroit-pen-v0", points=32)
    env.reset(seed=0)
    hold = np.zeros(24, np.float32)
    for _ in range(50):
        seen, reward, terminated, truncated, info = env.step(hold)
        if terminated or truncated:
            break
    assert truncated or terminated
    assert set(seen) == {"point_cloud", "agent_pos"}
    assert isinstance(reward, float)
    assert info["success"] in (True, False)
