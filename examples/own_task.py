r"""A task of your own: a ball on two rails that is to touch a peg. Put your world in its place.

python datasets/collect.py env=gymnasium env.task=examples.own_task:TouchPeg-v0 \
    behaviour=random episodes=200 out=data/touch-peg.zarr
python policy/train.py data=data/touch-peg.zarr out=outputs/touch-peg
"""

from pathlib import Path
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium import spaces
from gymnasium.envs.mujoco import MujocoEnv


class TouchPeg(MujocoEnv):
    """The action is the ball's velocity in metres a second; the peg stands elsewhere each time."""

    def __init__(self) -> None:
        seen = spaces.Box(-np.inf, np.inf, (4,), np.float64)
        world = str(Path(__file__).with_name("touch_peg.xml"))
        super().__init__(world, 25, seen)  # 25 steps of 2 ms an action

    def step(self, action: np.ndarray) -> tuple[Any, ...]:
        """Move, and say whether it touches."""
        self.do_simulation(action, self.frame_skip)
        gap_m = np.linalg.norm(self.data.body("ball").xpos - self.data.body("peg").xpos) - 0.15
        return self._seen(), -float(gap_m), False, False, {"is_success": bool(gap_m < 0.05)}

    def reset_model(self) -> np.ndarray:
        """Stand still in the middle; the peg stands on a circle around it."""
        angle = self.np_random.uniform(0, 2 * np.pi)
        self.data.mocap_pos[0] = 0.7 * np.cos(angle), 0.7 * np.sin(angle), 0.1
        mujoco.mj_forward(self.model, self.data)
        return self._seen()

    def _seen(self) -> np.ndarray:
        """What the robot feels: the peg must be found in the cloud."""
        return np.concatenate([self.data.qpos, self.data.qvel])


gym.register("TouchPeg-v0", entry_point=f"{__name__}:TouchPeg")
