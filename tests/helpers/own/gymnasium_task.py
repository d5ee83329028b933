"""An environment of one's own, registered with Gymnasium: a box on a slippery rail, pushed by wind.

`env=gymnasium env.task=tests.helpers.own.gymnasium_task:OwnWind-v0`
"""

from pathlib import Path
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium import spaces
from gymnasium.envs.mujoco import MujocoEnv


class Wind(MujocoEnv):
    """The wind is drawn at every step, and goes on from what it was: a memory in Python."""

    def __init__(self) -> None:
        seen = spaces.Box(-np.inf, np.inf, (2,), np.float64)
        super().__init__(str(Path(__file__).with_name("puck.xml")), 5, seen)
        self.action_space = spaces.Box(-3, 3, (1,), np.float64)
        self.wind = 0.0

    def step(self, action: np.ndarray) -> tuple[Any, ...]:
        self.wind = 0.9 * self.wind + 0.1 * self.np_random.normal()
        self.do_simulation(np.asarray(action) + self.wind, self.frame_skip)
        place = float(self.data.qpos[0])
        return self._seen(), place, place < -1, False, {"success": place > 0.5}

    def reset_model(self) -> np.ndarray:
        self.wind = 0.0
        self.data.qpos[:] = self.np_random.uniform(-0.2, 0.2, 1)
        mujoco.mj_forward(self.model, self.data)
        return self._seen()

    def _seen(self) -> np.ndarray:
        return np.concatenate([self.data.qpos, self.data.qvel])


gym.register("OwnWind-v0", entry_point=Wind)
