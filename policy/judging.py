"""From a checkpoint to its success rate: what `train.py` and `evaluate.py` share."""

import logging
from dataclasses import dataclass
from pathlib import Path

from envs.spec import EnvConfig
from envs.vector import Shapes, VectorEnv
from perception.errors import InputError
from policy.checkpoint import load_planner
from policy.device import DeviceName, prepare
from policy.evaluation import evaluate, evaluation_seeds, write_evaluation
from policy.planner import Planner, Sizes

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluateConfig:
    """What to evaluate; every key is explained in configs/evaluate.yaml."""

    env: EnvConfig
    checkpoint: Path
    out: Path | None
    episodes: int
    seed: int
    device: DeviceName
    threads: int
    envs: int
    workers: int


def judge(config: EvaluateConfig) -> None:
    """Evaluate a checkpoint on its task and note the outcome.

    Raises:
        InputError: The checkpoint is missing, or was made for another task.
    """
    device = prepare(config.device, config.threads)
    planner, about = load_planner(config.checkpoint)
    check_task(about["task"], config.env.name, str(config.checkpoint))
    envs = make_envs(config.env, planner, envs=config.envs, workers=config.workers)
    seeds = evaluation_seeds(config.seed, config.episodes)
    evaluation = evaluate(planner.to(device), envs, seeds, success_at=config.env.success_at)
    envs.close()
    folder = config.out or run_folder(config.checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    write_evaluation(folder, about["stage"], evaluation)
    logger.info("%s (%s): %s", config.checkpoint, about["stage"], evaluation)


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
