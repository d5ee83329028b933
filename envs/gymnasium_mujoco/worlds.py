"""Opening an environment of Gymnasium by its id, and the file and state of its MuJoCo model."""

import contextlib
import importlib
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium import spaces
from jaxtyping import Float

from envs.gymnasium_mujoco.memory import Env, with_inner
from envs.state import ModelEdit
from perception.errors import InputError

# What resets and renderers rewrite in a model, by the beginnings of the names of its arrays.
# Cameras are the view's own: the scene adds some, so their rows are others there.
EDITED = ("body_", "geom_", "site_", "mat_", "jnt_", "dof_", "eq_", "tendon_", "actuator_")


@dataclass(frozen=True)
class World:
    """An environment, and what of it is MuJoCo's.

    Attributes:
        env: The environment without its wrappers.
        envs: It, and the environments that it holds.
        model: MuJoCo's model.
        data: MuJoCo's state.
        model_path: The XML file of the model.
        step_s: Simulated seconds of one step.
    """

    env: Env
    envs: list[Env]
    model: mujoco.MjModel
    data: mujoco.MjData
    model_path: str
    step_s: float


def open_world(name: str) -> World:
    """Make an environment by its id, as `gymnasium.make` takes it, without time limit and checks.

    Raises:
        InputError: There is none of that id, its library is missing, or it is no MuJoCo world with
            actions and observations that are arrays of numbers.
    """
    with contextlib.suppress(ImportError):  # Its ids are there once it is registered.
        gym.register_envs(importlib.import_module("gymnasium_robotics"))
    try:
        env: Env = gym.make(name, disable_env_checker=True).unwrapped
    except (gym.error.Error, ImportError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"env.task={name}: {reason}; give an id that gymnasium.make takes, as Pusher-v5,"
            " FetchPush-v4 or my_module:MyTask-v0"
        ) from error
    envs = with_inner(env)
    of_file = [one for one in envs if isinstance(getattr(one, "fullpath", None), str)]
    models = [one for one in envs if isinstance(getattr(one, "model", None), mujoco.MjModel)]
    if not of_file or not models:
        raise InputError(f"env.task={name} is no MuJoCo world: it has no model, or no file of one")
    _check_spaces(name, env)
    path, step_s = str(of_file[0].fullpath), float(of_file[0].dt)
    return World(env, envs, models[0].model, models[0].data, path, step_s)


def _check_spaces(name: str, env: Env) -> None:
    """Refuse what is not described by arrays of numbers."""
    action, seen = env.action_space, env.observation_space
    if not isinstance(action, spaces.Box) or len(action.shape) != 1 or not _is_range(action):
        raise InputError(
            f"env.task={name}: its actions are {action}; only vectors within finite ranges are"
            " taken (of a model's own, each actuator needs a ctrlrange)"
        )
    parts = seen.spaces.values() if isinstance(seen, spaces.Dict) else [seen]
    if not all(isinstance(part, spaces.Box) for part in parts):
        raise InputError(f"env.task={name} is observed as {seen}; only arrays of numbers are taken")


def _is_range(box: spaces.Box) -> bool:
    return bool(np.isfinite([box.low, box.high]).all() and (box.low < box.high).all())


def flat_observation(observed: Any) -> Float[np.ndarray, " feature"]:  # noqa: ANN401
    """Give an observation as one vector: of goal environments `observation`, then the goals."""
    if not isinstance(observed, dict):
        return np.array(observed, np.float64).ravel()
    names = sorted(observed, key=lambda name: (name != "observation", name))
    return np.concatenate([np.asarray(observed[name], np.float64).ravel() for name in names])


def observation_size(env: Env) -> int:
    """Count the numbers of an observation, without goals."""
    seen = env.observation_space
    part = seen["observation"] if isinstance(seen, spaces.Dict) else seen
    return int(np.prod(np.array(part.shape)))


def differing_rows(model: mujoco.MjModel, of_file: mujoco.MjModel, name: str) -> set[ModelEdit]:
    """Find the rows in which a model is not what its file says.

    Raises:
        InputError: It is another model altogether: pictures are drawn of the file's.
    """
    edits = set()
    for field in dir(of_file):
        values = getattr(of_file, field)
        if not field.startswith(EDITED) or not isinstance(values, np.ndarray) or values.ndim < 2:
            continue
        now = getattr(model, field)
        if now.shape != values.shape:
            raise InputError(
                f"env.task={name}: its model is not the one of its file ({field} is of shape"
                f" {now.shape}, not {values.shape}), so it cannot be drawn"
            )
        rows = np.flatnonzero((now != values).any(axis=tuple(range(1, values.ndim))))
        edits |= {ModelEdit(field, int(row)) for row in rows}
    return edits
