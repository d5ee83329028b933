"""What a run depends on: the task and stores of its data, and all that must agree to go on."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml

from configs.differences import differences
from datasets.store.store import EpisodeStore
from envs.config import EnvConfig
from envs.request import EnvRequest
from perception.errors import InputError
from policy.pipeline.config import Recipe, TrainConfig
from policy.planner.checkpoint import load_planner
from policy.rollouts.loading import task_for
from policy.runs.run import find_checkpoint

logger = logging.getLogger(__name__)

PRETRAINING = ("pretrain", "all")


def env_of_run(config: TrainConfig) -> EnvConfig:
    """Give the task of a run: as its data or planner was made, but for what the command says.

    Raises:
        InputError: Neither is there, or the command asks for something that they are not.
    """
    if config.stage in PRETRAINING:
        return env_of_stores(config.data, config.task)
    own = config.out / "checkpoints" / "pretrain.safetensors"
    source = config.recipe.init_from or own
    if not source.exists():
        raise InputError(f"There is no planner {source}: pre-train first, or give init_from=")
    path = find_checkpoint(source)
    _, about = load_planner(path)
    return task_for(about, path, config.task)


def env_of_stores(paths: Sequence[Path], request: EnvRequest) -> EnvConfig:
    """Give the task of recorded data; of several tasks the one asked for, or the first.

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
        for difference in differences(asdict(envs[first].view), asdict(envs[other].view)):
            logger.warning("%s is seen otherwise than %s: %s", other, first, difference)
    return request.as_made(envs[first], str(first))


def _env_elsewhere(path: Path, tasks: set[str], request: EnvRequest) -> EnvConfig:
    """Give the task to play for data that were recorded elsewhere: the command must name it."""
    if not request.names_task and request.env.name not in tasks:
        raise InputError(
            f"{path} was recorded elsewhere ({', '.join(sorted(tasks))}) and does not say how it"
            " was seen: name a task of the same robot by env=, which is then played as configured"
        )
    return request.config


def settled_recipe(config: TrainConfig, env: EnvConfig) -> Recipe:
    """Choose horizon and chunk for the task's simulator, where the command does not say them.

    Raises:
        InputError: The planner's numbers do not go together.
    """
    said = {text.lstrip("+~").partition("=")[0] for text in config.task.overrides}
    plan = config.plans.get(env.simulator)
    values = {} if plan is None else vars(plan)
    own = {key: value for key, value in values.items() if f"planner.{key}" not in said}
    planner = replace(config.recipe.planner, **own)
    planner.check()
    return replace(config.recipe, planner=planner)


def identity(config: TrainConfig, recipe: Recipe, env: EnvConfig) -> dict[str, Any]:
    """Say all that shapes a run's result: it must agree for the run to go on."""
    return {
        **asdict(recipe),
        "stores": {} if recipe.init_from is not None else fingerprints(config.data, config.out),
        "about": {"task": env.name, "seed": recipe.seed, "env": asdict(env)},
    }


def fingerprints(paths: Sequence[Path], out: Path) -> dict[str, Any]:
    """Say of each store how much it holds; of one that is gone, what the run wrote of it."""
    written = out / "config.yaml"
    before: dict[str, Any] = {}
    if written.exists():
        before = (yaml.safe_load(written.read_text(encoding="utf-8")) or {}).get("stores", {})
    found = {}
    for path in map(Path.resolve, paths):
        there = path.exists()
        found[str(path)] = EpisodeStore.open(path).fingerprint if there else before.get(str(path))
    return found
