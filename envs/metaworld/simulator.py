"""Any of Meta-World's fifty tasks (v3), with a new random goal at every reset."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import metaworld.env_dict
import mujoco
import numpy as np
from jaxtyping import Float
from metaworld.policies import ENV_POLICY_MAP

from envs.config import EnvConfig
from envs.metaworld.rotations import trust_rotations
from envs.metaworld.watching import roles_of
from envs.simulator import Outcome, Places, Roles, check_action
from envs.state import EXACT, SCENE, ModelEdit, StateLayout
from perception.errors import InputError

Env = Any  # metaworld's classes are only partly typed.

STEP_M = 0.01  # An action of 1 moves the hand's target by a centimetre.
EDITED_FIELDS = ("body_pos", "body_quat", "site_pos", "geom_pos")


@cache
def task_names() -> tuple[str, ...]:
    """Names of the fifty tasks, without their version."""
    return tuple(
        sorted(name.removesuffix("-v3") for name in metaworld.env_dict.ALL_V3_ENVIRONMENTS)
    )


@dataclass(frozen=True)
class MemoryField:
    """A number or array that a Meta-World environment keeps as a Python attribute."""

    name: str
    shape: tuple[int, ...]
    kind: type

    @property
    def size(self) -> int:
        """How many numbers it takes."""
        return int(np.prod(self.shape))


class MetaWorldSimulator:
    """One Meta-World task; see `envs.simulator.Simulator`.

    The goal is visible to `features`, and drawn anew from the seed at each reset (most papers use
    one of 50 frozen ones).

    Raises:
        InputError: There is no such task.
    """

    action_names = ("hand x", "hand y", "hand z", "gripper")

    def __init__(self, config: EnvConfig) -> None:
        if config.task not in task_names():
            raise InputError(
                f"Meta-World has no task {config.task!r}; choose env.task from"
                f" {', '.join(task_names())}"
            )
        self._config, self.action_size = config, 4
        self._env = _make(f"{config.task}-v3")
        scripted: Any = ENV_POLICY_MAP[f"{config.task}-v3"]
        self._scripted = scripted()
        self.model: mujoco.MjModel = self._env.model
        self.data: mujoco.MjData = self._env.data
        self.model_path: str = self._env.fullpath
        pristine = {field: getattr(self.model, field).copy() for field in EDITED_FIELDS}
        for seed in range(2):
            self.reset(seed)
        self.layout = StateLayout(_edited_rows(self.model, pristine))
        self.step(np.zeros(self.action_size))  # Some tasks fill their memory at the first step.
        self._memory = _memory_fields(self._env)
        self.step_s = float(self._env.dt)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Start the episode of a seed, with its own goal."""
        self._env.seed(seed)
        self._env._last_stable_obs = None  # The last episode's; nothing else survives a reset.
        self._observation, _ = self._env.reset()
        # Bodies were moved after the last kinematics: without this the first look is stale.
        mujoco.mj_forward(self.model, self.data)
        self._observe_again()

    def step(self, action: Float[np.ndarray, " action"]) -> Outcome:
        """Repeat an action, and sum its rewards."""
        action = check_action(action, self.action_size)
        reward, success = 0.0, False
        for _ in range(self._config.action_repeat):
            self._observation, inner, _, _, info = self._env.step(action)
            reward += float(inner)
            success = bool(info["success"])
        return Outcome(reward * self._config.reward_scale, success, terminated=False)

    def robot_state(self) -> Float[np.ndarray, " reading"]:
        """DP3's nine: positions of the hand and of both fingers' ends, in metres."""
        fingers = [self.data.site(f"{side}EndEffector").xpos for side in ("right", "left")]
        return np.concatenate([self._env.get_endeff_pos(), *fingers]).astype(np.float32)

    def hand(self) -> Float[np.ndarray, " 3"]:
        """Where the hand is."""
        return np.array(self._env.get_endeff_pos())

    def hand_path(
        self, hand: Float[np.ndarray, " 3"], actions: Float[np.ndarray, "planned action"]
    ) -> Float[np.ndarray, "corner 3"]:
        """Add up the displacements that actions are; the hand itself lags behind."""
        moves_m = actions[:, :3].astype(np.float64) * (STEP_M * self._config.action_repeat)
        return np.concatenate([hand[None], hand + np.cumsum(moves_m, axis=0)])

    def features(self) -> Float[np.ndarray, " feature"]:
        """Meta-World's 39 numbers, the goal included."""
        return np.asarray(self._observation, np.float32)

    def scene_state(self) -> Float[np.ndarray, " scene"]:
        """Joints, velocities, the mocap hand, and the rows that the reset moved."""
        return self.layout.read(self.model, self.data, SCENE)

    def save_state(self) -> Float[np.ndarray, " number"]:
        """The integration state, the rows that the reset moved, and the task's Python memory."""
        exact = self.layout.read(self.model, self.data, EXACT)
        memory = [_pack(getattr(self._env, field.name), field) for field in self._memory]
        return np.concatenate([exact, self._observation, *memory])

    def restore_state(self, state: Float[np.ndarray, " number"]) -> None:
        """Go on from a saved state."""
        memory_size = sum(field.size for field in self._memory)
        sizes = np.cumsum([len(self._observation), *(field.size for field in self._memory)])
        exact, rest = np.split(state, [len(state) - memory_size - len(self._observation)])
        self._observation, *memory = np.split(rest, sizes[:-1])
        self.layout.write(self.model, self.data, EXACT, state=exact)
        mujoco.mj_forward(self.model, self.data)
        # The forward pass overwrote the solver's warm start: put the exact numbers back.
        self.layout.write(self.model, self.data, EXACT, state=exact)
        for field, values in zip(self._memory, memory, strict=True):
            setattr(self._env, field.name, _unpack(values, field))

    def scripted_action(self) -> Float[np.ndarray, " action"]:
        """What Meta-World's own scripted policy does now, clipped to [-1, 1]."""
        action = self._scripted.get_action(np.asarray(self._observation, np.float64))
        return np.asarray(np.clip(action, -1, 1))

    def roles(self) -> Roles:
        """What each body and site is to the task, as it stands at the start of an episode."""
        mujoco.mj_kinematics(self.model, self.data)
        return roles_of(self.model, self.data, self._env._get_pos_goal())

    def places(self) -> Places:
        """Where the hand is, the first object (or its handle), and the goal."""
        thing = self._env._get_pos_objects()[:3]
        return Places(self.hand(), np.array(thing), np.array(self._env._get_pos_goal()))

    def _observe_again(self) -> None:
        current = self._env._get_curr_obs_combined_no_goal()
        self._env._prev_obs = current.copy()
        self._observation = np.concatenate([current, current, self._env._get_pos_goal()])


def make(config: EnvConfig) -> MetaWorldSimulator:
    """Make one of Meta-World's tasks."""
    return MetaWorldSimulator(config)


def _make(name: str) -> Env:
    """Construct a task that draws a seeded random goal at each reset and shows it."""
    task = metaworld.env_dict.ALL_V3_ENVIRONMENTS[name]
    trust_rotations(task)
    env = task()
    env._freeze_rand_vec = False
    env.seeded_rand_vec = True
    env._set_task_called = True
    env._partially_observable = False
    env.__dict__.pop("sawyer_observation_space", None)  # Cached for a hidden goal.
    env.seed(0)
    return env


def _edited_rows(model: mujoco.MjModel, pristine: dict[str, np.ndarray]) -> tuple[ModelEdit, ...]:
    """Find the model rows that resets moved."""
    return tuple(
        ModelEdit(field, int(row))
        for field, before in pristine.items()
        for row in np.flatnonzero((getattr(model, field) != before).any(axis=1))
    )


def _memory_fields(env: Env) -> tuple[MemoryField, ...]:
    """Find the Python attributes that hold numbers of their own (not views of MuJoCo's)."""
    fields = []
    for name, value in sorted(vars(env).items()):
        if isinstance(value, bool | int | float | np.number):
            fields.append(MemoryField(name, (), type(value)))
        elif (
            isinstance(value, np.ndarray) and value.dtype.kind in "fi" and not _is_view(env, value)
        ):
            fields.append(MemoryField(name, value.shape, np.ndarray))
    return tuple(fields)


def _is_view(env: Env, value: np.ndarray) -> bool:
    """Tell whether an array is a window into MuJoCo's own memory."""
    owned = (env.data.xpos, env.data.site_xpos, env.data.geom_xpos, env.data.qpos, env.data.xquat)
    return any(np.shares_memory(value, array) for array in owned)


def _pack(value: Any, field: MemoryField) -> Float[np.ndarray, " number"]:  # noqa: ANN401
    return np.full(field.size, np.nan) if value is None else np.asarray(value, np.float64).ravel()


def _unpack(values: Float[np.ndarray, " number"], field: MemoryField) -> Any:  # noqa: ANN401
    if field.size and np.isnan(values).all():
        return None
    return values.reshape(field.shape).copy() if field.kind is np.ndarray else field.kind(values[0])
