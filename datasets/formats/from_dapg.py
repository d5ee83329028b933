"""Read DAPG's demonstrations: `door-v0_demos.pickle` of hand_dapg (Rajeswaran et al., RSS 2018).

A list of dictionaries, one an episode: `observations`, `actions`, and `init_state_dict` with the
simulator's state at its start. Only the actions are taken: they are replayed in our simulator, one
simulator step each, because they were recorded without repeat.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from datasets.formats.shared.pickle_arrays import load_arrays
from datasets.formats.shared.resimulate import Acted, require_adroit, state_of
from datasets.formats.shared.source import ReadOptions, Source
from envs.adroit.restore import check_sizes
from envs.config import EnvConfig
from perception.errors import InputError

NEEDED = ("observations", "actions", "init_state_dict")


LOOKS_LIKE = "a pickle of demonstrations"
PICKLES = (b"\x80", b"(", b"]")  # How a list starts, from protocol 0 on.


def recognises(path: Path) -> bool:
    """Tell whether this is a pickle; nothing in it is run."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(1) in PICKLES


def open_source(path: Path, env: EnvConfig, options: ReadOptions) -> Source:
    """Open a file of demonstrations.

    Args:
        path: The pickle; nothing in it is run.
        env: The task.
        options: `start` says where to replay from.

    Raises:
        InputError: It holds something else than arrays, lacks a key, or is another task's.
    """
    require_adroit(env, "dapg")
    task, start = env.task, options.start
    demos = load_arrays(path)
    if not isinstance(demos, list | tuple):
        raise InputError(f"{path.name} holds no list of demonstrations")
    jobs = [_job(f"{path.name}[{i}]", demo, task, start) for i, demo in enumerate(demos)]
    if not jobs:
        raise InputError(f"{path.name} holds no demonstration")
    return Source(
        format="dapg",
        lengths=tuple(len(job.actions) for job in jobs),
        read=jobs.__getitem__,
        simulated=True,
        action_size=jobs[0].actions.shape[1],
        options={"start": start},
        about={"rewards": "ours, at every replayed step"},
    )


def _job(where: str, demo: Any, task: str, start: str) -> Acted:  # noqa: ANN401 (a foreign file)
    if not isinstance(demo, Mapping):
        raise InputError(f"{where} is no dictionary")
    missing = [key for key in NEEDED if key not in demo]
    if missing:
        raise InputError(f"{where} lacks {missing[0]}; it has {', '.join(map(str, demo))}")
    observations, actions = (_table(demo[key], where, key) for key in NEEDED[:2])
    if len(observations) < len(actions):
        raise InputError(f"{where}: {len(actions)} actions have {len(observations)} observations")
    check_sizes(task, observations.shape[1], actions.shape[1], where)
    state = state_of(demo["init_state_dict"], task, f"{where}'s init_state_dict")
    return Acted(where, state, start == "observation", observations, actions)


def _table(values: Any, where: str, key: str) -> np.ndarray:  # noqa: ANN401
    table = np.asarray(values)
    if table.dtype.kind not in "fiu" or table.ndim != 2 or len(table) == 0:
        raise InputError(f"{where}: {key} is no table of numbers: {table.dtype}, {table.shape}")
    if not np.isfinite(table).all():
        step = int(np.argmin(np.isfinite(table).all(axis=1)))
        raise InputError(f"{where}: {key} holds NaN or infinity at step {step}; leave it out")
    return table
