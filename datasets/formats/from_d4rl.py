"""Read D4RL's raw HDF5: `door-human-v1.hdf5` and its like (Fu et al., 2020).

Flat arrays over all steps: `observations`, `actions`, `rewards`, `terminals`, `timeouts`, and
`infos/` with the simulator's whole state before each action. States are restored, nothing is acted
again. An episode's last action is left out: what it led to was not recorded, so nobody can tell
whether it succeeded. Rewards get our task's scale, so that all data of a task has one.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datasets.formats.shared.hdf5 import entries, place, reading, rows, shape
from datasets.formats.shared.layouts import Rules, require_alike
from datasets.formats.shared.resimulate import (
    Placed,
    require_adroit,
    require_judgeable,
    states_of,
)
from datasets.formats.shared.source import ReadOptions, Source
from envs.adroit.restore import DRAWN, check_sizes
from envs.config import EnvConfig
from perception.errors import InputError

LOOKS_LIKE = "HDF5 with observations, actions and infos/qpos"
RULES = Rules(
    tables=frozenset({"observations", "actions"}),
    columns=frozenset({"rewards", "terminals", "timeouts"}),
)


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
        InputError: It is damaged, lacks an array, or is another task's; or success is to be told
            by a rule that no recorded state can answer.
    """
    require_adroit(env, "d4rl")
    require_judgeable(env)
    task = env.task
    with reading(path) as file:
        arrays = ["observations", "actions", "rewards", "terminals"]
        arrays += ["timeouts"] if "timeouts" in file else []
        shapes = {key: shape(file, key) for key in arrays}
        require_alike(path.name, {"all steps": shapes}, RULES)
        action_size = shapes["actions"][1]
        # Before the states, since another task's have other names.
        check_sizes(task, shapes["observations"][1], action_size, path.name)
        shapes |= {f"infos/{key}": shape(file, f"infos/{key}") for key in _state_keys(task)}
        require_alike(path.name, {"all steps": shapes}, RULES)
        bounds, short = _bounds(file, shapes["actions"][0])
    return Source(
        format="d4rl",
        lengths=tuple(end - start - 1 for start, end in bounds),
        read=partial(_read, path, task, bounds, env.reward_scale),
        simulated=True,
        action_size=action_size,
        options={"reward_scale": env.reward_scale},
        about={
            "rewards": f"as recorded, times the task's reward_scale ({env.reward_scale:g})",
            "successes": "by DP3's rule, at the state after the action",
            "left_out": "the last action of each episode, whose effect was not recorded"
            + (f"; {short} episodes of one step" if short else ""),
        },
    )


def _bounds(file: Any, steps: int) -> tuple[list[tuple[int, int]], int]:  # noqa: ANN401
    """Give where each episode of two or more steps starts and ends, exclusive, and how many others.

    Raises:
        InputError: Every episode has one step.
    """
    done = rows(file, "terminals").astype(bool).ravel()
    if "timeouts" in file:
        done = done | rows(file, "timeouts").astype(bool).ravel()
    ends = np.unique(np.append(np.flatnonzero(done) + 1, steps)).tolist()
    every = list(zip([0, *ends[:-1]], ends, strict=True))
    kept = [(a, b) for a, b in every if b - a > 1]
    if not kept:
        raise InputError(
            f"{place(file)}: every episode has one step, and what its action led to was not"
            " recorded: terminals and timeouts should mark an episode's last step alone"
        )
    return kept, len(every) - len(kept)


def _state_keys(task: str) -> tuple[str, ...]:
    return ("qpos", "qvel", DRAWN[task])


def _read(
    path: Path, task: str, bounds: list[tuple[int, int]], reward_scale: float, index: int
) -> Placed:
    start, end = bounds[index]
    part, acted = slice(start, end), slice(start, end - 1)
    with reading(path) as file:
        state = {key: rows(file, f"infos/{key}", part) for key in _state_keys(task)}
        return Placed(
            where=f"{path.name}, steps {start} to {end - 1}",
            states=states_of(state, task, path.name),
            observations=rows(file, "observations", part),
            actions=rows(file, "actions", acted),
            rewards=rows(file, "rewards", acted).ravel() * reward_scale,
            terminals=rows(file, "terminals", acted).astype(bool).ravel(),
        )
