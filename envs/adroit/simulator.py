"""Adroit's door, hammer and pen (Rajeswaran et al., RSS 2018) as DP3 and VRL3 count them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from gymnasium_robotics.envs.adroit_hand.adroit_door import AdroitHandDoorEnv
from gymnasium_robotics.envs.adroit_hand.adroit_hammer import AdroitHandHammerEnv
from gymnasium_robotics.envs.adroit_hand.adroit_pen import AdroitHandPenEnv
from jaxtyping import Float

from envs.adroit.watching import places_of, roles_of
from envs.config import EnvConfig
from envs.simulator import Outcome, Places, Roles, check_action
from envs.state import EXACT, SCENE, ModelEdit, StateLayout
from perception.errors import InputError

Env = Any  # gymnasium-robotics has no types.


@dataclass(frozen=True)
class AdroitTask:
    """What differs between the three tasks.

    Attributes:
        make: The gymnasium-robotics class.
        edit: The model row that its reset draws: (field, body).
        hand: Which joints are DP3's 24 robot_state (the arm's are left out).
        reached: DP3's rule for a reached goal.
        misplaced: Distance from the palm to what it must hold, in metres, whose sign
            gymnasium-robotics 1.4.2 inverts in the reward.
        failed: Whether the episode ends early.
        lengths: Attributes that a reset measures (with rounding of its own).
    """

    make: Callable[[], Env]
    edit: tuple[str, str]
    hand: slice
    reached: Callable[[Env], bool]
    misplaced: Callable[[Env], float]
    failed: Callable[[Env], bool]
    lengths: tuple[str, ...] = ()


def _site_distance(env: Env, first: int, second: int) -> float:
    return float(np.linalg.norm(env.data.site_xpos[first] - env.data.site_xpos[second]))


def _door_angle(env: Env) -> float:
    return float(env.data.qpos[env.door_hinge_addrs].item())


def _pen_similarity(env: Env) -> float:
    site = env.data.site_xpos
    pen = (site[env.obj_t_site_id] - site[env.obj_b_site_id]) / env.pen_length
    target = (site[env.tar_t_site_id] - site[env.tar_b_site_id]) / env.tar_length
    return float(pen @ target)


def _palm_to_hammer(env: Env) -> float:
    palm, hammer = env.data.site_xpos[env.S_grasp_site_id], env.data.xpos[env.obj_body_id]
    return float(np.linalg.norm(palm - hammer))


TASKS = {
    "door": AdroitTask(
        make=AdroitHandDoorEnv,
        edit=("body_pos", "frame"),
        hand=slice(4, -2),
        reached=lambda env: _door_angle(env) > 1.4,
        misplaced=lambda env: _site_distance(env, env.grasp_site_id, env.handle_site_id),
        failed=lambda _: False,
    ),
    "hammer": AdroitTask(
        make=AdroitHandHammerEnv,
        edit=("body_pos", "nail_board"),
        hand=slice(2, -7),
        reached=lambda env: _site_distance(env, env.target_obj_site_id, env.goal_site_id) < 0.01,
        misplaced=_palm_to_hammer,
        failed=lambda _: False,
    ),
    "pen": AdroitTask(
        make=AdroitHandPenEnv,
        edit=("body_quat", "target"),
        hand=slice(0, -6),
        reached=lambda env: _pen_similarity(env) > 0.95,
        misplaced=lambda _: 0.0,
        failed=lambda env: bool(env.data.xpos[env.obj_body_id][2] < 0.075),
        lengths=("pen_length", "tar_length"),
    ),
}


class AdroitSimulator:
    """One Adroit task; see `envs.simulator.Simulator`.

    Raises:
        InputError: There is no such task.
    """

    def __init__(self, config: EnvConfig) -> None:
        if config.task not in TASKS:
            raise InputError(f"Adroit has no task {config.task!r}; choose one of {sorted(TASKS)}")
        self._task, self._config = TASKS[config.task], config
        self._env: Env = self._task.make()
        self._env.reset(seed=0)
        self.model: mujoco.MjModel = self._env.model
        self.data: mujoco.MjData = self._env.data
        self.model_path: str = self._env.fullpath
        field, body = self._task.edit
        self.layout = StateLayout((ModelEdit(field, self.model.body(body).id),))
        self.action_size = int(self.model.nu)
        self.step_s = float(self._env.dt)
        # What gymnasium-robotics returned last: its positions of bodies are 2 ms old.
        self.observed: Float[np.ndarray, " feature"] = self.observation()

    def reset(self, seed: int) -> None:
        """Start the episode of a seed."""
        self.observed, _ = self._env.reset(seed=seed)

    def step(self, action: Float[np.ndarray, " action"]) -> Outcome:
        """Repeat an action, and sum its rewards."""
        action = check_action(action, self.action_size)
        reward, success = 0.0, False
        for _ in range(self._config.action_repeat):
            self.observed, inner, _, _, info = self._env.step(action)
            # gymnasium-robotics 1.4.2 pays +0.1 per metre from hand to object; the original -0.1.
            reward += float(inner) - 0.2 * self._task.misplaced(self._env)
            success = bool(info["success"])
        # Body positions lag one sub-step behind the joints until this; it touches nothing else.
        mujoco.mj_kinematics(self.model, self.data)
        if self._config.success == "dp3":
            success = self.reached()
        failed = self._task.failed(self._env)
        return Outcome(reward * self._config.reward_scale, success, failed)

    def robot_state(self) -> Float[np.ndarray, " reading"]:
        """The hand's 24 joint angles in radians."""
        return np.asarray(self.data.qpos[self._task.hand], np.float32)

    def hand(self) -> Float[np.ndarray, " 3"]:
        """Where the palm grasps."""
        return np.array(self.data.site("S_grasp").xpos)

    def hand_path(
        self, _hand: Float[np.ndarray, " 3"], _actions: Float[np.ndarray, "planned action"]
    ) -> None:
        """Actions are targets of joints: where the hand goes only the simulator can say."""

    def features(self) -> Float[np.ndarray, " feature"]:
        """The observation of gymnasium-robotics."""
        return self.observation().astype(np.float32)

    def observation(self) -> Float[np.ndarray, " feature"]:
        """The observation of gymnasium-robotics in full precision (float64)."""
        return np.asarray(self._env._get_obs(), np.float64)

    def reached(self) -> bool:
        """Tell whether the goal is reached at this moment.

        Raises:
            InputError: The rule is not DP3's: gymnasium-robotics applies its own while it steps.
        """
        if self._config.success != "dp3":
            raise InputError("Recorded states are judged by DP3's rule: choose env.success=dp3")
        return self._task.reached(self._env)

    def scene_state(self) -> Float[np.ndarray, " scene"]:
        """Joints, velocities and the row that the reset drew."""
        return self.layout.read(self.model, self.data, SCENE)

    def save_state(self) -> Float[np.ndarray, " number"]:
        """The integration state, the row that the reset drew, sensors last read, pen lengths."""
        exact = self.layout.read(self.model, self.data, EXACT)
        lengths = [getattr(self._env, name) for name in self._task.lengths]
        return np.concatenate([exact, self.data.sensordata, lengths])

    def restore_state(self, state: Float[np.ndarray, " number"]) -> None:
        """Go on from a saved state."""
        end = len(state) - len(self._task.lengths)
        exact, sensors, lengths = np.split(state, [end - self.model.nsensordata, end])
        self.layout.write(self.model, self.data, EXACT, state=exact)
        mujoco.mj_kinematics(self.model, self.data)
        self.data.sensordata[:] = sensors
        for name, length in zip(self._task.lengths, lengths, strict=True):
            setattr(self._env, name, length)

    def roles(self) -> Roles:
        """What each body and site is to the task."""
        return roles_of(self.model, self._config.task)

    def places(self) -> Places:
        """Where the palm is, the object (handle, hammer's head, pen), and where it shall go."""
        return places_of(self.data, self._config.task)


def make(config: EnvConfig) -> AdroitSimulator:
    """Make one of Adroit's tasks."""
    return AdroitSimulator(config)
