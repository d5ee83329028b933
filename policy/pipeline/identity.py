"""What a run depends on: the task and stores of its data, and all that must agree to go on."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml

from datasets.store.store import EpisodeStore
from envs.config import EnvConfig
from envs.request import EnvRequest
from perception.errors import InputError
from policy.pipeline.config import Recipe, TrainConfig
from policy.planner.checkpoint import load_planner
from policy.rollouts.loading import check_simulator, env_of, find_checkpoint

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
    made = env_of(about, path)
    if made is not None:
        check_simulator(made, config.task, path)
    return config.task.as_made(made, str(path))


def env_of_stores(paths: Sequence[Path], request: EnvRequest) -> EnvConfig:
    """Give the task of recorded data; of several tasks the one asked for, or the first.

    Raises:
        InputError: The data are of another task, or their stores mean different things by an
            action.
    """
    stores = [EpisodeStore.open(path) for path in paths]
    tasks = {str(store.attributes["task"]) for store in stores}
    envs = [store.env for store in stores if "env" in store.identity]
    repeats = {env.action_repeat for env in envs}
    if len(repeats) > 1:
        raise InputError(f"The stores differ in action_repeat ({sorted(repeats)}): train on some")
    if request.names_task and len(tasks) == 1 and request.env.name not in tasks:
        raise InputError(
            f"{paths[0]} was made for {tasks.pop()}, not for {request.env.name}; leave env= out, or"
            " give other data="
        )
    return request.as_made(envs[0] if envs else None, str(paths[0]))


def settled_recipe(config: TrainConfig, env: EnvConfig) -> Recipe:
    """Choose horizon and chunk for the task's simulator, where the command does not say them."""
    said = {text.lstrip("+~").partition("=")[0] for text in config.task.overrides}
    plan = config.plans.get(env.simulator)
    values = {} if plan is None else vars(plan)
    own = {key: value for key, value in values.items() if f"planner.{key}" not in said}
    return replace(config.recipe, planner=replace(config.recipe.planner, **own))


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
