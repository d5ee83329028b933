"""Read Minari's Adroit datasets: a folder with `data/main_data.hdf5` (Younis et al., 2024).

Groups `episode_0`, ...: `observations` (one more than actions), `actions`, `rewards`, `infos`.
Where `infos/state` holds the simulator's states they are restored. The official
D4RL/{door,hammer,pen}/*-v2 sets hold none: the start is found from the first observation, and the
actions are replayed.
"""

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

from datasets.formats.shared.hdf5 import need, reading, rows
from datasets.formats.shared.resimulate import Acted, Job, Placed, require_adroit, states_of
from datasets.formats.shared.source import ReadOptions, Source
from envs.adroit.restore import DRAWN, check_sizes
from envs.config import EnvConfig
from perception.errors import InputError

LOOKS_LIKE = "a folder with data/main_data.hdf5, or minari:<id>"
MAIN_FILE = Path("data", "main_data.hdf5")


def recognises(path: Path) -> bool:
    """Tell whether this is a folder as Minari writes it."""
    return (path / MAIN_FILE).exists() or (path / "data" / "metadata.json").exists()


def locate(dataset: str) -> Path:
    """Find a dataset's folder where Minari keeps its data, by its id.

    Raises:
        InputError: There is none; how to get it is said.
    """
    default = Path.home() / ".minari" / "datasets"
    path = Path(os.environ.get("MINARI_DATASETS_PATH", default)) / dataset
    if not path.is_dir():
        raise InputError(f"There is no {path}: get it first (minari download {dataset})")
    return path


def open_source(path: Path, env: EnvConfig, options: ReadOptions) -> Source:
    """Open a dataset's folder.

    Args:
        path: As Minari has written it, in its HDF5 format.
        env: The task.
        options: None of them matters to how episodes are read.

    Raises:
        InputError: It is damaged, lacks an array, or is another task's.
    """
    require_adroit(env, "minari")
    said, task = _metadata(path), env.task
    with reading(path / MAIN_FILE) as file:
        names = sorted((n for n in file if n.startswith("episode_")), key=_number)
        if not names:
            raise InputError(f"{path.name} holds no episode_0, episode_1, ...")
        lengths = [len(need(file[name], "actions")) for name in names]
        first = file[names[0]]
        sizes = [_width(need(first, key), path) for key in ("observations", "actions")]
        check_sizes(task, sizes[0], sizes[1], path.name)
        stateful = _state_group(first, task) is not None
    kept: dict[str, Any] = {
        key: said[key] for key in ("dataset_id", "author", "algorithm_name") if key in said
    }
    return Source(
        format="minari",
        lengths=tuple(lengths),
        read=partial(_read, path, task, names),
        simulated=True,
        action_size=sizes[1],
        about={
            **kept,
            "states": "as recorded" if stateful else "replayed from the first observation",
            "rewards": "as recorded, not scaled" if stateful else "ours, at every replayed step",
        },
    )


def _metadata(path: Path) -> dict[str, Any]:
    file = path / "data" / "metadata.json"
    try:
        said: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error
    if (format_ := said.get("data_format", "hdf5")) != "hdf5":
        raise InputError(f"{path.name} is stored as {format_}; only Minari's hdf5 is read")
    return said


def _number(name: str) -> int:
    return int(name.removeprefix("episode_"))


def _width(array: Any, path: Path) -> int:  # noqa: ANN401 (h5py has no types)
    shape: tuple[int, ...] = getattr(array, "shape", ())
    if len(shape) != 2:
        raise InputError(f"{path.name}: {array.name} is no table of numbers, as Adroit's would be")
    return int(shape[1])


def _state_group(episode: Any, task: str) -> Any:  # noqa: ANN401
    """Give where an episode's simulator states are, or None."""
    infos = episode.get("infos", {})
    for group in (infos.get("state"), infos):
        if group is not None and {"qpos", "qvel", DRAWN[task]} <= set(group):
            return group
    return None


def _read(path: Path, task: str, names: list[str], index: int) -> Job:
    with reading(path / MAIN_FILE) as file:
        episode, where = file[names[index]], f"{path.name}, {names[index]}"
        observations, actions = rows(episode, "observations"), rows(episode, "actions")
        if len(observations) != len(actions) + 1:
            raise InputError(
                f"{where}: {len(actions)} actions have {len(observations)} observations"
            )
        group = _state_group(episode, task)
        if group is None:
            return Acted(where, None, True, observations, actions)
        state = {key: rows(group, key) for key in ("qpos", "qvel", DRAWN[task])}
        states = states_of(state, task, where)
        if len(states) != len(observations):
            raise InputError(f"{where}: {len(observations)} observations, {len(states)} states")
        return Placed(where, states, observations, actions, rows(episode, "rewards").ravel())
