"""Planners and the tasks they act in: read together, and held to fit each other."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from configs.command import options
from envs.config import EnvConfig, read_env
from envs.request import EnvRequest
from envs.vector.vector_env import VectorEnv
from envs.vector.workers import Shapes
from perception.errors import InputError
from policy.planner.checkpoint import load_policy
from policy.planner.config import Sizes
from policy.planner.policy import Policy
from policy.rollouts.episode import check_sizes
from policy.runs.run import find_checkpoint, read_config, run_folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A planner from disk.

    Attributes:
        planner: Ready to act.
        about: What its checkpoint says of it (task, stage, steps).
        env: The task to act in, seen as the planner learned to see it.
    """

    planner: Policy
    about: dict[str, Any]
    env: EnvConfig


def load_for(checkpoint: Path, request: EnvRequest) -> Loaded:
    """Read a planner and the task it shall act in: its own, but for what the command says.

    Args:
        checkpoint: A planner's file, or the folder of a run.
        request: The task as the command gives it.

    Raises:
        InputError: The checkpoint is missing, or cannot act in the task asked for.
    """
    path = find_checkpoint(checkpoint)
    planner, about = load_policy(path)
    env = task_for(about, path, request)
    planner.task = env.name
    return Loaded(planner, about, env)


def task_for(about: Mapping[str, Any], checkpoint: Path, request: EnvRequest) -> EnvConfig:
    """Give the task that a planner shall act in: its own, but for what the command says.

    Raises:
        InputError: It cannot act in the task asked for, or there is no simulator for its own.
    """
    env = task_or_none(about, checkpoint, request)
    if env is None:
        raise InputError(
            f"{checkpoint} was made for task {about['task']}, for which there is no simulator: name"
            " a task of the same robot by env=, or add a simulator of your own (docs/extend.md)"
        )
    return env


def task_or_none(
    about: Mapping[str, Any], checkpoint: Path, request: EnvRequest
) -> EnvConfig | None:
    """Give the same, and None where there is no simulator for the planner's own task.

    Raises:
        InputError: It cannot act in the task asked for.
    """
    made, task = env_of(about, checkpoint), about.get("task")
    if not isinstance(task, str):
        raise InputError(f"{checkpoint} does not say its task: no run of this program wrote it")
    if made is not None:
        check_simulator(made, request, checkpoint)
    elif has_simulator(task):
        logger.warning("%s does not say how its task was seen: taken as env= has it", checkpoint)
        check_robot(task, request.config, checkpoint)
    elif not request.names_task:
        return None
    env = request.as_made(made, str(checkpoint))
    if env.name != task:
        logger.info("%s was made for %s and acts in %s", checkpoint, task, env.name)
    return env


def has_simulator(task: str) -> bool:
    """Tell whether a task is one that this program simulates, by its name."""
    return task in options("env") or task.startswith("metaworld-")


def env_of(about: Mapping[str, Any], checkpoint: Path) -> EnvConfig | None:
    """Give the task that a planner was made with; of an older checkpoint its run says it.

    Raises:
        InputError: What is said is no task.
    """
    values = about if "env" in about else read_config(run_folder(checkpoint)) or {}
    try:
        return read_env(values["env"]) if "env" in values else None
    except InputError as error:
        raise InputError(f"{checkpoint} says something wrong of its task: {error}") from error


def check_simulator(made: EnvConfig, request: EnvRequest, what: Path) -> None:
    """Refuse a task in another simulator than the planner's.

    Raises:
        InputError: The command names one.
    """
    if request.names_task and request.env.simulator != made.simulator:
        raise InputError(
            f"{what} was made for {made.name}, not for {request.env.name}; leave env= out, or"
            " choose another checkpoint"
        )


def check_robot(task: str, env: EnvConfig, what: Path) -> None:
    """Refuse a planner of another kind of robot, by its task's name: all that old ones say.

    Raises:
        InputError: The planner cannot act in this environment.
    """
    family = task.partition("-")[0]
    if family != env.name.partition("-")[0] or (family != "metaworld" and task != env.name):
        raise InputError(f"{what} was made for {task}, not for {env.name}: choose env={task}")


def shapes_for(planner: Policy, envs: int, *, features: bool = False) -> Shapes:
    """Give the sizes that a planner and so many environments agree on; see `Shapes`."""
    plan = planner.config
    return Shapes(envs, plan.history, plan.chunk, planner.observes, features)


def make_envs(
    env: EnvConfig,
    planner: Policy,
    *,
    envs: int,
    workers: int,
    launcher: str = "process",
    features: bool = False,
) -> VectorEnv:
    """Make the environments that a planner acts in; with `features`, see `Shapes`.

    Raises:
        InputError: The planner was made for data of other sizes; or as for `VectorEnv`.
    """
    shapes = shapes_for(planner, envs, features=features)
    made = VectorEnv(env, shapes, workers=workers, launcher=launcher)
    try:
        check_sizes(planner, Sizes(**made.sizes), env)
    except InputError:
        made.close()
        raise
    return made


class EnvPool:
    """Environments that are kept for whoever needs such ones next: workers take seconds to start.

    As a context it ends their processes when it is left.

    Args:
        workers: See `VectorEnv`.
        launcher: See `VectorEnv`.
    """

    def __init__(self, workers: int, launcher: str = "process") -> None:
        self._workers, self._launcher = workers, launcher
        self._made: tuple[EnvConfig, Shapes, VectorEnv] | None = None

    def __enter__(self) -> "EnvPool":
        return self

    def __exit__(self, *_: object) -> None:
        if self._made is not None:
            self._made[-1].close()
            self._made = None

    def take(
        self, env: EnvConfig, planner: Policy, *, envs: int, features: bool = False
    ) -> VectorEnv:
        """Give the environments of before, or new ones where these would differ; see `make_envs`.

        Whatever they played before does not show: an episode follows from its seed. Those with the
        simulator's features serve whoever asks for none, too.
        """
        wanted = shapes_for(planner, envs, features=features)
        fitting = (wanted, replace(wanted, features=True))
        if self._made is None or self._made[0] != env or self._made[1] not in fitting:
            self.__exit__()
            made = make_envs(
                env,
                planner,
                envs=envs,
                workers=self._workers,
                launcher=self._launcher,
                features=features,
            )
            self._made = (env, wanted, made)
        return self._made[-1]
