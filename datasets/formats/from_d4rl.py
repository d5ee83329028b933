"""D4RL's raw HDF5 in: `door-human-v1.hdf5` and its like (Fu et al., 2020).

Flat arrays over all steps: `observations`, `actions`, `rewards`, `terminals`, `timeouts`, and
`infos/` with the simulator's whole state before each action. States are put as they are, nothing is
acted again. An episode's last action is left out: what it led to was not recorded, so nobody can
tell whether it succeeded.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datasets.formats.hdf5 import need, reading, rows
from datasets.formats.resimulate import Placed
from datasets.formats.source import Source
from envs.adroit.restore import DRAWN, Moment, check_sizes
from perception.errors import InputError


def open_source(path: Path, *, task: str) -> Source:
    """Open a file.

    Args:
        path: The HDF5 file.
        task: Adroit's name of the task.

    Raises:
        InputError: It is damaged, lacks an array, or is another task's.
    """
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
            moments=moments(state, task, path.name),
            observations=rows(file, "observations", part),
            actions=rows(file, "actions", slice(start, end - 1)),
            rewards=rows(file, "rewards", slice(start, end - 1)).ravel(),
        )


def moments(state: dict[str, np.ndarray], task: str, where: str) -> tuple[Moment, ...]:
    """Cut arrays over time into moments."""
    steps = min(len(values) for values in state.values())
    return tuple(
        Moment.read({key: values[i] for key, values in state.items()}, task, where)
        for i in range(steps)
    )
