"""Any MuJoCo environment of Gymnasium, by its id: its own, gymnasium-robotics' or a user's.

It acts exactly as `gymnasium.make` has it, wrappers left out: an episode's length is a key here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

import numpy as np
from jaxtyping import Float

from envs.config import GYMNASIUM_RULES, EnvConfig, GymnasiumConfig
from envs.gymnasium_mujoco.keys import entries_of, hand_of, handles_of
from envs.gymnasium_mujoco.memory import Memory
from envs.gymnasium_mujoco.worlds import (
    differing_rows,
    flat_observation,
    observation_size,
    open_world,
)
from envs.rendering.scene import compile_with_cameras
from envs.simulator import Outcome, check_action
from envs.state import EXACT, SCENE, ModelEdit, StateLayout
from perception.errors import InputError

SUCCESSES = ("is_success", "success")  # What libraries call it in `info`.
NO_EDITS = StateLayout(())
SEEN_SEEDS = 3  # Resets that are looked at to see what they rewrite.
OUT_OF_SIGHT_M = (0, 0, -1000)
# What the last step left, which a step may read before it computes it anew.
LEFT = (
    "xpos", "xquat", "xmat", "xipos", "ximat", "xanchor", "xaxis", "geom_xpos", "geom_xmat",
    "site_xpos", "site_xmat", "subtree_com", "cinert", "cvel", "ten_length", "ten_velocity",
    "actuator_length", "actuator_velocity", "actuator_force", "qacc", "qfrc_passive", "qfrc_bias",
    "qfrc_actuator", "qfrc_constraint", "cacc", "cfrc_int", "cfrc_ext", "subtree_linvel",
    "subtree_angmom", "sensordata",
)  # fmt: skip


class GymnasiumSimulator:
    """One environment of Gymnasium; see `envs.simulator.Simulator`.

    Raises:
        InputError: There is no such environment, it is no MuJoCo world, or a key names what it does
            not have.
    """

    def __init__(self, config: EnvConfig) -> None:
        self._config, self._keys = config, config.gymnasium or GymnasiumConfig()
        world = open_world(config.task)
        self._env, self.model, self.data = world.env, world.model, world.data
        self.model_path, self.step_s = world.model_path, world.step_s
        box = self._env.action_space
        self.action_size = int(box.shape[0])
        low, high = box.low.astype(np.float64), box.high.astype(np.float64)
        self._middle, self._half = (low + high) / 2, (high - low) / 2
        self._robot_state = entries_of(self._keys, observation_size(self._env))
        self._hand = hand_of(self.model, self._keys.hand)
        self._check_rule()
        self.layout = NO_EDITS
        self._handles = handles_of(self.model)
        self._fresh = NO_EDITS.read(self.model, self.data, EXACT)
        self.layout = StateLayout(self._edits())
        self.step(np.zeros(self.action_size))  # Some fill their memory at the first step.
        self._memory = Memory(world.envs, self.data)
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Start the episode of a seed, as the first one of a fresh environment."""
        # Some resets leave what the solver remembers, and the last controls, as they are.
        NO_EDITS.write(self.model, self.data, EXACT, state=self._fresh)
        observed, _ = self._env.reset(seed=seed)
        self._observation, self._return = flat_observation(observed), 0.0

    def step(self, action: Float[np.ndarray, " action"]) -> Outcome:
        """Repeat an action, from [-1, 1] stretched to the environment's own range; sum rewards."""
        wanted = np.clip(check_action(action, self.action_size), -1, 1)
        reward, success, terminated = 0.0, False, False
        for _ in range(self._config.action_repeat):
            command = self._middle + self._half * wanted
            observed, inner, terminated, _, info = self._env.step(command)
            reward += float(inner)
            self._return += float(inner)
            success = self._succeeds(info)
            if terminated:
                break
        self._observation = flat_observation(observed)
        return Outcome(reward * self._config.reward_scale, success, bool(terminated))

    def robot_state(self) -> Float[np.ndarray, " reading"]:
        """The entries of the observation that `env.gymnasium.robot_state` names."""
        return np.asarray(self._observation[self._robot_state], np.float32)

    def hand(self) -> Float[np.ndarray, " 3"]:
        """Where the site or body is that `env.gymnasium.hand` names."""
        return np.array(self._hand(self.data))

    def hand_path(
        self, _hand: Float[np.ndarray, " 3"], _actions: Float[np.ndarray, "planned action"]
    ) -> None:
        """Where the hand goes only the simulator can say: actions mean something else in each."""

    def features(self) -> Float[np.ndarray, " feature"]:
        """The whole observation, goals behind it."""
        return self._observation.astype(np.float32)

    def scene_state(self) -> Float[np.ndarray, " scene"]:
        """Joints, velocities, and the model's edited rows, as the environment renders them."""
        with self._as_rendered():
            return self.layout.read(self.model, self.data, SCENE)

    def save_state(self) -> Float[np.ndarray, " number"]:
        """The integration state, what the last step left in MuJoCo and in Python."""
        own = [[self._return], self._observation, self._memory.read()]
        return np.concatenate([self._physics(), *own])

    def restore_state(self, state: Float[np.ndarray, " number"]) -> None:
        """Go on from a saved state.

        Raises:
            ValueError: It is of another task.
        """
        sizes = [1, len(self._observation), self._memory.size]
        starts = len(state) - sum(sizes) + np.cumsum([0, *sizes[:-1]])
        physics, total, observation, memory = np.split(state, starts)
        self._put_physics(physics)
        self._return, self._observation = float(total[0]), observation.copy()
        self._memory.write(memory)

    def _physics(self) -> Float[np.ndarray, " number"]:
        """Copy out all of MuJoCo that the environment goes on from."""
        exact = self.layout.read(self.model, self.data, EXACT)
        return np.concatenate([exact, *(getattr(self.data, name).ravel() for name in LEFT)])

    def _put_physics(self, state: Float[np.ndarray, " number"]) -> None:
        arrays = [getattr(self.data, name) for name in LEFT]
        sizes = [array.size for array in arrays]
        starts = len(state) - sum(sizes) + np.cumsum([0, *sizes[:-1]])
        exact, *left = np.split(state, starts)
        self.layout.write(self.model, self.data, EXACT, state=exact)
        for array, values in zip(arrays, left, strict=True):
            array[:] = values.reshape(array.shape)

    def _edits(self) -> tuple[ModelEdit, ...]:
        """Find the rows in which the model is not its file's: after some resets, as rendered."""
        of_file, found = compile_with_cameras(self.model_path, {}), set()
        for seed in range(SEEN_SEEDS):
            self.reset(seed)
            before = copy(self.model)
            with self._as_rendered():
                found |= differing_rows(self.model, of_file, self._config.task)
            for edit in differing_rows(self.model, before, self._config.task):
                getattr(self.model, edit.field)[edit.row] = getattr(before, edit.field)[edit.row]
        return tuple(sorted(found, key=lambda edit: (edit.field, edit.row)))

    def _check_rule(self) -> None:
        """Refuse a rule of success that cannot be applied."""
        rule, name = self._config.success, self._config.name
        if rule not in GYMNASIUM_RULES:
            raise InputError(
                f"{name} has no rule {rule!r}: env.success is one of {', '.join(GYMNASIUM_RULES)}"
            )
        if rule == "return" and self._keys.success_return is None:
            raise InputError(
                "env.success=return needs env.gymnasium.success_return=, the sum of rewards from"
                " which an episode succeeds"
            )

    def _succeeds(self, info: dict[str, Any]) -> bool:
        if self._config.success == "none":
            return False
        if self._keys.success_return is not None and self._config.success == "return":
            return self._return >= self._keys.success_return
        said = [bool(info[key]) for key in SUCCESSES if key in info]
        if not said:
            raise InputError(
                f"{self._config.task} does not say is_success or success in info (it says"
                f" {', '.join(info) or 'nothing'}): give env.success=none, or env.success=return"
                " and env.gymnasium.success_return="
            )
        return said[0]

    @contextmanager
    def _as_rendered(self) -> Iterator[None]:
        """Let the environment place its marks (of a goal) as its own renderer does, for a moment.

        Handles, as the faint cross by which Fetch's hand is pulled, are no things that a depth
        camera sees: they are out of sight. Nothing stays: MuJoCo goes on from its very bits.
        """
        place_marks = getattr(self._env, "_render_callback", None)
        if place_marks is None and not len(self._handles):
            yield
            return
        before = self._physics()
        try:
            if place_marks is not None:
                place_marks()
            self.data.mocap_pos[self._handles] = OUT_OF_SIGHT_M
            yield
        finally:
            self._put_physics(before)


def make(config: EnvConfig) -> GymnasiumSimulator:
    """Make an environment of Gymnasium."""
    return GymnasiumSimulator(config)
