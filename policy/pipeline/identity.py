"""What a run depends on: the task and stores of its data, and all that must agree to go on."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from configs import locks
from configs.build import differences
from datasets.cameras.describe import recorded_view
from datasets.store.store import EpisodeStore
from envs.boxes import box_of, has_own_box
from envs.config import EnvConfig, for_digests
from envs.request import EnvRequest
from perception.errors import InputError
from policy.pipeline.checks import PRETRAINING
from policy.pipeline.config import Recipe, TrainConfig
from policy.pipeline.planners import Planners
from policy.rollouts.loading import has_simulator, task_or_none
from policy.runs.run import find_checkpoint, read_config

logger = logging.getLogger(__name__)

OF_CLOUDS = ("points", "crop_low", "crop_high", "colour")  # What of a view is of any camera.


def env_of_run(config: TrainConfig, planners: Planners) -> tuple[EnvConfig | None, str]:
    """Give the task of a run: as its data or planner was made, but for what the command says.

    Returns:
        The task, None where it has no simulator; and its name.

    Raises:
        InputError: Neither is there, or the command asks for something that they are not.
    """
    if config.stage in PRETRAINING:
        env = env_of_stores(config.data, config.task)
        return env, task_of_stores(config.data) if env is None else env.name
    path = start_of(config)
    _, about = planners.read(path)
    env = task_or_none(about, path, config.task)
    return env, str(about["task"]) if env is None else env.name


def start_of(config: TrainConfig) -> Path:
    """Give the planner that fine-tuning starts from.

    Raises:
        InputError: It is not there.
    """
    own = config.out / "checkpoints" / "pretrain.safetensors"
    source = config.recipe.init_from or own
    if not source.exists():
        raise InputError(f"There is no planner {source}: pre-train first, or give init_from=")
    return find_checkpoint(source)


def task_of_stores(paths: Sequence[Path]) -> str:
    """Name the tasks of recorded data."""
    return ", ".join(sorted({str(EpisodeStore.open(p).attributes["task"]) for p in paths}))


def env_of_stores(paths: Sequence[Path], request: EnvRequest) -> EnvConfig | None:
    """Give the task of recorded data; of several tasks the one asked for, or the first.

    None: they were recorded elsewhere, and there is no simulator for them.

    Raises:
        InputError: The data are of another task, or their stores mean different things by an
            action.
    """
    stores = [EpisodeStore.open(path) for path in paths]
    tasks = {str(store.attributes["task"]) for store in stores}
    envs = {store.path: store.env for store in stores if "env" in store.identity}
    repeats = {env.action_repeat for env in envs.values()}
    if len(repeats) > 1:
        raise InputError(f"The stores differ in action_repeat ({sorted(repeats)}): train on some")
    if not envs:
        return _env_elsewhere(paths[0], tasks, request)
    if request.names_task and len(tasks) == 1 and request.env.name not in tasks:
        raise InputError(
            f"{paths[0]} was made for {tasks.pop()}, not for {request.env.name}; leave env= out, or"
            " give other data="
        )
    first, *others = envs
    for other in others:
        for difference in differences(asdict(envs[first].view), _as_seen(envs[other], envs[first])):
            logger.warning("%s is seen otherwise than %s: %s", other, first, difference)
    return request.as_made(envs[first], str(first))


def _as_seen(env: EnvConfig, first: EnvConfig) -> dict[str, Any]:
    """Give the view of a task; each may have a box of its own, which is then no difference."""
    own = has_own_box(env) and has_own_box(first)
    return {**asdict(env.view), **(box_of(first.view) if own else {})}


def _env_elsewhere(path: Path, tasks: set[str], request: EnvRequest) -> EnvConfig | None:
    """Give the task to play for data that were recorded elsewhere: the command must name it."""
    if request.names_task or request.env.name in tasks:
        return _seen_as_recorded(path, request)
    if any(map(has_simulator, tasks)):
        raise InputError(
            f"{path} was recorded elsewhere ({', '.join(sorted(tasks))}) and does not say how it"
            " was seen: name a task of the same robot by env=, which is then played as configured"
        )
    return None


def _seen_as_recorded(path: Path, request: EnvRequest) -> EnvConfig:
    """Give the task of a command, seen as real cameras saw the data, but for what the command says.

    Its cameras are its own.
    """
    env, seen = request.config, recorded_view(EpisodeStore.open(path))
    if seen is None:
        return env
    names = [name for name in OF_CLOUDS if f"view.{name}" not in request.keys]
    changed: dict[str, Any] = {name: getattr(seen, name) for name in names}
    logger.info(
        "%s was recorded from cameras; %s is played with its %s", path, env.name, ", ".join(names)
    )
    return replace(env, view=replace(env.view, **changed))


def settled_recipe(config: TrainConfig, env: EnvConfig | None) -> Recipe:
    """Choose horizon and chunk for the task's simulator, where the command does not say them.

    Raises:
        InputError: The planner's numbers do not go together.
    """
    said = {text.lstrip("+~").partition("=")[0] for text in config.task.overrides}
    plan = None if env is None else config.plans.get(env.simulator)
    values = {} if plan is None else vars(plan)
    own = {key: value for key, value in values.items() if f"planner.{key}" not in said}
    planner = replace(config.recipe.planner, **own)
    planner.check()
    return replace(config.recipe, planner=planner)


def identity(config: TrainConfig, recipe: Recipe, env: EnvConfig | None) -> dict[str, Any]:
    """Say all that shapes a run's result: it must agree for the run to go on."""
    own = recipe.init_from is None
    task = {"task": task_of_stores(config.data)} if env is None else {"task": env.name}
    return {
        **resolved(asdict(recipe)),
        "stores": fingerprints(config.data, config.out) if own else {},
        "made_by": makers(config.data, config.out) if own else {},
        "starts_from": None if recipe.init_from is None else _sha256(recipe.init_from),
        "about": {
            **task,
            "seed": recipe.seed,
            **({} if env is None else {"env": asdict(env)}),
            **(_seen_by_cameras(config.data, config.out) if own else {}),
        },
    }


def _seen_by_cameras(paths: Sequence[Path], out: Path) -> dict[str, Any]:
    """Say how clouds were made that real cameras saw; empty where the data are of no such."""
    stores = [EpisodeStore.open(path) for path in paths if path.exists()]
    if not stores:
        about = (read_config(out) or {}).get("about") or {}
        return {key: value for key, value in about.items() if key == "view"}
    views = {store.path: view for store in stores if (view := recorded_view(store)) is not None}
    for path, view in views.items():
        first, seen = next(iter(views.items()))
        for difference in differences(asdict(seen), asdict(view)):
            logger.warning("%s is seen otherwise than %s: %s", path, first, difference)
    return {"view": asdict(next(iter(views.values())))} if views else {}


def resolved(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the values of a run with its paths from the root on: a path may be said in many ways."""
    values = dict(values)
    finetune = dict(values.get("finetune") or {})
    for place, key in ((values, "init_from"), (values, "encoder_from"), (finetune, "experience")):
        if place.get(key):
            place[key] = str(locks.resolved(Path(place[key])))
    if prior := (finetune.get("algorithm") or {}).get("prior"):
        paths = [str(locks.resolved(Path(path))) for path in prior]
        finetune["algorithm"] = {**finetune["algorithm"], "prior": paths}
    return {**values, "finetune": finetune}


def fingerprints(paths: Sequence[Path], out: Path) -> dict[str, Any]:
    """Say of each store how much it holds; of one that is gone, what the run wrote of it."""
    before = (read_config(out) or {}).get("stores") or {}
    found = {}
    for path in map(Path.resolve, paths):
        there = path.exists()
        found[str(path)] = EpisodeStore.open(path).fingerprint if there else before.get(str(path))
    return found


def makers(paths: Sequence[Path], out: Path) -> dict[str, Any]:
    """Identify the command that made each store, by all that shapes its numbers."""
    before = (read_config(out) or {}).get("made_by") or {}
    found = {}
    for path in map(Path.resolve, paths):
        said = before.get(str(path))
        if path.exists():
            said = maker(EpisodeStore.open(path).identity)
        found[str(path)] = said
    return found


def maker(identity: Mapping[str, Any]) -> str:
    """Identify the command that made a store."""
    if "env" in identity:
        identity = {**identity, "env": for_digests(identity["env"])}
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _sha256(path: Path) -> str:
    """Identify the planner that a run starts from."""
    with find_checkpoint(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
