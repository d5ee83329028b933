"""From a checkpoint to its success rate: what `train.py` and `evaluate.py` share."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs.config import EnvConfig
from envs.vector.vector_env import Shapes, VectorEnv
from perception.errors import InputError
from policy.planner.checkpoint import load_planner
from policy.planner.planner import Planner, Sizes
from policy.rollouts.evaluation import Evaluation, evaluate, evaluation_seeds, write_evaluation
from policy.runs.device import DeviceName, prepare

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluateConfig:
    """What to evaluate; every key is explained in configs/scripts/evaluate.yaml."""

    env: EnvConfig
    checkpoint: Path
    out: Path | None
    episodes: int
    seed: int
    device: DeviceName
    threads: int
    envs: int
    workers: int
    gallery: int

    @property
    def folder(self) -> Path:
        """Where to write."""
        return self.out or run_folder(self.checkpoint)


def judge(config: EvaluateConfig) -> Evaluation:
    """Evaluate a checkpoint on its task and note the outcome.

    Raises:
        InputError: The checkpoint is missing, or was made for another task.
    """
    if config.gallery < 0:
        raise InputError(f"gallery must be 0 or more, not {config.gallery}")
    device = prepare(config.device, config.threads)
    planner, about = load_planner_of(config.checkpoint, config.env)
    envs = make_envs(config.env, planner, envs=config.envs, workers=config.workers)
    seeds = evaluation_seeds(config.seed, config.episodes)
    evaluation = evaluate(planner.to(device), envs, seeds, success_at=config.env.success_at)
    envs.close()
    config.folder.mkdir(parents=True, exist_ok=True)
    write_evaluation(config.folder, about["stage"], evaluation)
    logger.info("%s (%s): %s", config.checkpoint, about["stage"], evaluation)
    return evaluation


def load_planner_of(checkpoint: Path, env: EnvConfig) -> tuple[Planner, dict[str, Any]]:
    """Read the planner of a task, and what was said about it.

    Raises:
        InputError: The checkpoint is missing, or was made for another task.
    """
    planner, about = load_planner(checkpoint)
    check_planner(about, env, str(checkpoint))
    return planner, about


def run_folder(checkpoint: Path) -> Path:
    """Give the folder of the run that a checkpoint belongs to, or its own outside a run."""
    folder = checkpoint.parent
    return folder.parent if folder.name == "checkpoints" else folder


def check_task(there: str, here: str, what: str) -> None:
    """Refuse what was made for another task."""
    if there != here:
        suite, _, task = there.partition("-")
        choice = f"env=metaworld env.task={task}" if suite == "metaworld" else f"env={there}"
        raise InputError(f"{what} was made for {there}, not for {here}; choose {choice}")


def check_planner(about: Mapping[str, Any], env: EnvConfig, what: str) -> None:
    """Refuse a planner of another kind of robot; say so where only the task is another.

    A planner of many Meta-World tasks, or of one, may be tried on any.

    Raises:
        InputError: The planner cannot act in this environment.
    """
    there = str(about["task"])
    if there.partition("-")[0] != "metaworld" or env.simulator != "metaworld":
        check_task(there, env.name, what)
    elif there != env.name:
        logger.info("%s was made for %s and acts in %s", what, there, env.name)


def make_envs(env: EnvConfig, planner: Planner, *, envs: int, workers: int) -> VectorEnv:
    """Make the environments that a planner acts in.

    Raises:
        InputError: The planner was made for data of other sizes.
    """
    shapes = Shapes(envs, planner.config.history, planner.config.chunk)
    made = VectorEnv(env, shapes, workers=workers)
    sizes = Sizes(**made.sizes)
    if sizes != planner.sizes:
        made.close()
        raise InputError(f"The planner was made for {planner.sizes}; {env.name} has {sizes}")
    return made
