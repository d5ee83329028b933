"""A simulator of one's own in one file: a box on a rail, to be pushed half a metre to the right."""

from pathlib import Path

import mujoco
import numpy as np

from envs.config import EnvConfig
from envs.simulator import Outcome
from envs.state import EXACT, SCENE, StateLayout


class Puck:
    """The box; the action is the force of its motor."""

    def __init__(self, config: EnvConfig) -> None:
        self._config = config
        self.model_path = str(Path(__file__).with_name("puck.xml"))
        self.model = mujoco.MjModel.from_xml_path(self.model_path)
        self.data = mujoco.MjData(self.model)
        self.layout = StateLayout(edits=())
        self.action_size = 1
        self.step_s = float(self.model.opt.timestep)

    def reset(self, seed: int) -> None:
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[0] = np.random.default_rng(seed).uniform(-0.2, 0.2)
        mujoco.mj_forward(self.model, self.data)

    def step(self, action: np.ndarray) -> Outcome:
        self.data.ctrl[:] = action
        for _ in range(self._config.action_repeat):
            mujoco.mj_step(self.model, self.data)
        reached = bool(self.data.qpos[0] > 0.5)
        return Outcome(float(reached), reached, terminated=False)

    def robot_state(self) -> np.ndarray:
        return self.data.qpos.astype(np.float32)

    def features(self) -> np.ndarray:
        return np.concatenate([self.data.qpos, self.data.qvel]).astype(np.float32)

    def hand(self) -> np.ndarray:
        return np.array(self.data.body("puck").xpos)

    def hand_path(self, _hand: np.ndarray, _actions: np.ndarray) -> None:
        """A force says nothing of places."""

    def scene_state(self) -> np.ndarray:
        return self.layout.read(self.model, self.data, SCENE)

    def save_state(self) -> np.ndarray:
        return self.layout.read(self.model, self.data, EXACT)

    def restore_state(self, state: np.ndarray) -> None:
        self.layout.write(self.model, self.data, EXACT, state=state)
        mujoco.mj_forward(self.model, self.data)
        self.layout.write(self.model, self.data, EXACT, state=state)
