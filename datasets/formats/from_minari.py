"""Read Minari's Adroit datasets: a folder with `data/metadata.json` (Younis et al., 2024).

Episodes of `observations` (one more than actions), `actions`, `rewards`, `infos`, in HDF5, Arrow or
Parquet (datasets/formats/shared/minari_storages.py).
Where `infos/state` holds the simulator's states they are restored. The official
D4RL/{door,hammer,pen}/*-v2 sets hold none: the start is found from the first observation, and the
actions are replayed. Rewards that were recorded get our task's scale. Success is told by the task's
rule: by `infos/success` where states are recorded and that rule is gymnasium-robotics' own.
"""

import json
import logging
import os
from functools import partial
from pathlib import Path
from typing import Any

from datasets.formats.shared.layouts import Rules, Shape, require_alike
from datasets.formats.shared.minari_storages import MAIN_FILE, STORAGES, Parts, opened
from datasets.formats.shared.resimulate import (
    Acted,
    Job,
    Placed,
    require_adroit,
    require_judgeable,
    states_of,
)
from datasets.formats.shared.source import ReadOptions, Source
from envs.adroit.restore import DRAWN, check_sizes
from envs.config import EnvConfig
from perception.errors import InputError

logger = logging.getLogger(__name__)

LOOKS_LIKE = "a folder with data/metadata.json, or minari:<id>"
TERMINALS, SUCCESS = "terminations", "infos/success"
RULES = Rules(
    tables=frozenset({"observations", "actions"}),
    columns=frozenset({"rewards", TERMINALS, SUCCESS}),
    longer=frozenset(
        {"observations", SUCCESS}
        | {f"{group}/{key}" for group in ("infos", "infos/state") for key in ("qpos", "qvel")}
        | {f"{group}/{key}" for group in ("infos", "infos/state") for key in DRAWN.values()}
    ),
)


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
        path: As Minari has written it.
        env: The task.
        options: None of them matters to how episodes are read.

    Raises:
        InputError: It is damaged, lacks an array, or is another task's.
    """
    require_adroit(env, "minari")
    said, task = _metadata(path), env.task
    kind = said.get("data_format", STORAGES[0])
    with opened(path, kind) as storage:
        names = storage.names()
        shapes = {name: _shapes(storage.parts(name), env) for name in names}
    require_alike(f"{path.name}/{MAIN_FILE if kind == STORAGES[0] else 'data'}", shapes, RULES)
    first = shapes[names[0]]
    check_sizes(task, first["observations"][1], first["actions"][1], path.name)
    if (count := said.get("total_episodes", len(names))) != len(names):
        logger.warning("%s says total_episodes=%s and holds %d", path.name, count, len(names))
    stateful = "rewards" in first
    judged = SUCCESS in first
    if stateful and not judged:
        require_judgeable(env)
    kept: dict[str, Any] = {
        key: said[key] for key in ("dataset_id", "author", "algorithm_name") if key in said
    }
    scaled = f"as recorded, times the task's reward_scale ({env.reward_scale:g})"
    return Source(
        format="minari",
        lengths=tuple(one["actions"][0] for one in shapes.values()),
        read=partial(_read, path, kind, env, names),
        simulated=True,
        action_size=first["actions"][1],
        options={"reward_scale": env.reward_scale} if stateful else {},
        about={
            **kept,
            "states": "as recorded" if stateful else "replayed from the first observation",
            "rewards": scaled if stateful else "ours, at every replayed step",
            "successes": f"as recorded ({SUCCESS})" if judged else f"by the rule {env.success}",
        },
    )


def _shapes(episode: Parts, env: EnvConfig) -> dict[str, Shape]:
    """Give the shapes of what is read of an episode."""
    state_keys = ("qpos", "qvel", DRAWN[env.task])
    there = [TERMINALS] if episode.has(TERMINALS) else []
    if (states := _state_group(episode, env.task)) is not None:
        there += ["rewards", *(f"{states}/{key}" for key in state_keys)]
        there += [SUCCESS] if _is_judged(episode, env) else []
    return {key: episode.shape(key) for key in ("observations", "actions", *there)}


def _metadata(path: Path) -> dict[str, Any]:
    file = path / "data" / "metadata.json"
    try:
        said: dict[str, Any] = dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{file} cannot be read: {error}") from error
    if (kind := said.get("data_format", STORAGES[0])) not in STORAGES:
        raise InputError(f"{path.name} is stored as {kind}; {', '.join(STORAGES)} are read")
    return said


def _state_group(episode: Parts, task: str) -> str | None:
    """Name the group that holds an episode's simulator states, if there is one."""
    for name in ("infos/state", "infos"):
        if all(episode.has(f"{name}/{key}") for key in ("qpos", "qvel", DRAWN[task])):
            return name
    return None


def _is_judged(episode: Parts, env: EnvConfig) -> bool:
    """Tell whether an episode says success by the rule that the task asks for."""
    return env.success == "farama" and episode.has(SUCCESS)


def _read(path: Path, kind: str, env: EnvConfig, names: list[str], index: int) -> Job:
    with opened(path, kind) as storage:
        episode, where, task = storage.parts(names[index]), f"{path.name}, {names[index]}", env.task
        observations, actions = episode.rows("observations"), episode.rows("actions")
        terminals = None
        if episode.has(TERMINALS):
            terminals = episode.rows(TERMINALS).astype(bool).ravel()
        states = _state_group(episode, task)
        if states is None:
            return Acted(where, None, True, observations, actions, terminals)
        state = {key: episode.rows(f"{states}/{key}") for key in ("qpos", "qvel", DRAWN[task])}
        recorded = None
        if _is_judged(episode, env):
            recorded = episode.rows(SUCCESS).astype(bool).ravel()[1:]
        return Placed(
            where,
            states_of(state, task, where),
            observations,
            actions,
            episode.rows("rewards").ravel() * env.reward_scale,
            terminals,
            recorded,
        )
