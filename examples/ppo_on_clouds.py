"""Train stable-baselines3's PPO on point clouds, through DP3's encoder: put your task in its place.

pip install stable-baselines3==2.9.2
python examples/ppo_on_clouds.py sodp/metaworld-reach-v0 100000
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from functools import partial
from typing import cast

import gymnasium as gym
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor

from perception.encoders.dp3 import Dp3
from perception.observation import Observation


class CloudFeatures(BaseFeaturesExtractor):
    """DP3's encoder: features of `point_cloud` (point, channel), metres, and `agent_pos`."""

    def __init__(self, observation_space: spaces.Dict) -> None:
        super().__init__(observation_space, Dp3.features)
        shapes = {key: space.shape or () for key, space in observation_space.items()}
        self.encoder = Dp3(shapes["point_cloud"][-1], shapes["agent_pos"][0])

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Encode a batch: (batch, feature)."""
        seen = Observation(observations["point_cloud"], observations["agent_pos"])
        return cast(Tensor, self.encoder(seen))


def main(name: str, steps: int) -> None:
    """Learn for so many steps."""
    torch.set_num_threads(1)
    # The part before the colon is imported, and registers the tasks.
    task = partial(gym.make, f"envs.gymnasium_env:{name}", points=256)
    learner = PPO(
        "MultiInputPolicy",
        make_vec_env(task, n_envs=2),
        n_steps=min(256, steps),
        batch_size=64,
        policy_kwargs={"features_extractor_class": CloudFeatures},
        verbose=1,
    )
    learner.learn(steps)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
