"""Read D4RL's raw HDF5: `door-human-v1.hdf5` and its like (Fu et al., 2020).

Flat arrays over all steps: `observations`, `actions`, `rewards`, `terminals`, `timeouts`, and
`infos/` with the simulator's whole state before each action. States are restored, nothing is acted
again. An episode's last action is left out: what it led to was not recorded, so nobody can tell
whether it succeeded.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datasets.formats.shared.hdf5 import entries, need, reading, rows
from datasets.formats.shared.resimulate import Placed, require_adroit, states_of
from datasets.formats.shared.source import ReadOptions, Source
from envs.adroit.restore import DRAWN, check_sizes
from envs.config import EnvConfig
from perception.errors import InputError

LOOKS_LIKE = "HDF5 with observations, actions and infos/qpos"


def recognises(path: Path) -> bool:
    """Tell whether this is HDF5 with flat arrays over all steps."""
    return {"observations", "actions"} <= set(entries(path))


def open_source(path: Path, env: EnvConfig, options: ReadOptions) -> Source:
    """Open a file.

    Args:
        path: The HDF5 file.
        env: The task.
        options: None of them matters to how states are read.

    Raises:
        InputError: It is damaged, lacks an array, or is another task's.
    """
    require_adroit(env, "d4rl")
    task = env.task
    with reading(path) as file:
        observations, actions = need(file, "observations"), need(file, "actions")
        check_sizes(task, observations.shape[-1], actions.shape[-1], path.name)
        bounds, action_size = _bounds(file, len(actions)), int(actions.shape[-1])
        for key in ("observations", "rewards", *(f"infos/{k}" for k in _state_keys(task))):
            if (steps := len(need(file, key))) != len(actions):
                raise InputError(f"{path.name}: {len(actions)} actions, but {steps} of {key}")
    return Source(
        format="d4rl",
        lengths=tuple(end - start - 1 for start, end in bounds),
        read=partial(_read, path, task, bounds),
        simulated=True,
        action_size=action_size,
        about={
            "rewards": "as recorded, not scaled",
            "successes": "by DP3's rule, at the state after the action",
            "left_out": "the last action of each episode, whose effect was not recorded",
        },
    )


def _bounds(file: Any, steps: int) -> list[tuple[int, int]]:  # noqa: ANN401 (h5py has no types)
    """Give where each episode of two or more steps starts and ends, exclusive."""
    done = rows(file, "terminals").astype(bool).ravel()
    if "timeouts" in file:
        done = done | rows(file, "timeouts").astype(bool).ravel()
    ends = np.unique(np.append(np.flatnonzero(done) + 1, steps)).tolist()
    return [(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True) if b - a > 1]


def _state_keys(task: str) -> tuple[str, ...]:
    return ("qpos", "qvel", DRAWN[task])


def _read(path: Path, task: str, bounds: list[tuple[int, int]], index: int) -> Placed:
    start, end = bounds[index]
    part = slice(start, end)
    with reading(path) as file:
        state = {key: rows(file, f"infos/{key}", part) for key in _state_keys(task)}
        return Placed(
            where=f"{path.name}, steps {start} to {end - 1}",
            states=states_of(state, task, path.name),
            observations=rows(file, "observations", part),
            actions=rows(file, "actions", slice(start, end - 1)),
            rewards=rows(file, "rewards", slice(start, end - 1)).ravel(),
        )
