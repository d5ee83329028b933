"""The task that a command asks for, and how it agrees with what its data or planner was made with.

How a task is seen is decided when data is made. A store, and each planner trained on it, holds the
whole `EnvConfig`; a command takes it from there. What the command line itself says differently is
done, and logged in one line.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from configs.build import differences
from configs.ranges import Points
from envs.boxes import box_elsewhere
from envs.config import EnvConfig, read_env, with_view
from perception.errors import InputError

logger = logging.getLogger(__name__)

SHORT_KEYS = {"points": "view.points", "cameras": "view.cameras", "colour": "view.colour"}


@dataclass(frozen=True)
class EnvRequest:
    """The keys of a command that are about its task.

    Attributes:
        env: The task as its YAML and the command line give it.
        points: Points per cloud; None: not said.
        cameras: Names of the cameras to fuse.
        colour: Whether points carry colour.
        overrides: The command line, as `key=value`.
    """

    env: EnvConfig
    points: Points | None = None
    cameras: tuple[str, ...] | None = None
    colour: bool | None = None
    overrides: tuple[str, ...] = ()

    @property
    def config(self) -> EnvConfig:
        """The task by itself, where nothing says how it was seen before."""
        return with_view(self.env, self.points, self.cameras, self.colour)

    @property
    def keys(self) -> list[str]:
        """What the command line says of the task, as dotted keys of `EnvConfig`."""
        names = [text.lstrip("+~").partition("=")[0] for text in self.overrides]
        own = [name.removeprefix("env.") for name in names if name.startswith("env.")]
        return own + [SHORT_KEYS[name] for name in names if name in SHORT_KEYS]

    @property
    def names_task(self) -> bool:
        """Whether the command line chooses a task."""
        return any(text.startswith("env=") for text in self.overrides)

    def as_made(self, made: EnvConfig | None, what: str) -> EnvConfig:
        """Give the task as it was when `what` was made, but for what the command line says.

        Args:
            made: How it was; None where that was not kept.
            what: The store or planner, for messages.

        Raises:
            InputError: The action repeat would differ: recorded actions mean something else then.
        """
        if made is None:
            return self.config
        env = self._other_task(made) if self.names_task else made
        wanted, values = asdict(self.config), asdict(env)
        task = wanted["task"] if "task" in self.keys else env.task
        values["view"] |= box_elsewhere(made, task)
        for key in self.keys:
            _put(values, key, wanted)
        if "task" in self.keys and not self.names_task:
            values["name"] = env.name.replace(env.task, values["task"])
        chosen = read_env(values)
        if chosen.action_repeat != made.action_repeat:
            raise InputError(
                f"{what} was made with action_repeat={made.action_repeat}, not"
                f" {chosen.action_repeat}: leave env.action_repeat= out"
            )
        changes = list(differences(asdict(made), asdict(chosen)))
        if changes:
            logger.info("otherwise than %s: %s", what, "; ".join(changes))
        return chosen

    def _other_task(self, made: EnvConfig) -> EnvConfig:
        """Give the chosen task as `made` is seen; its rules are its own."""
        if self.env.name == made.name:
            return made
        own = {**asdict(self.env), "view": asdict(made.view), "cameras": asdict(made)["cameras"]}
        return read_env({**own, "action_repeat": made.action_repeat})


def _put(values: dict[str, Any], key: str, source: Mapping[str, Any]) -> None:
    """Copy the value of a dotted key from one nest of dictionaries into another."""
    *parents, last = key.split(".")
    for parent in parents:
        values, source = values.setdefault(parent, {}), source[parent]
    values[last] = source[last]
