"""The crop box that a task has by itself, where its simulator's tasks have one each."""

from typing import Any

from configs.command.tables import table
from envs.config import EnvConfig, ViewConfig

BOX = ("crop_low", "crop_high")


def own_box(simulator: str, task: str) -> dict[str, Any] | None:
    """Give a task's own box as keys of its view, from the table of its simulator; None: none."""
    row = table(f"{simulator}-boxes").get(task)
    if row is None:
        return None
    return {key: tuple(map(float, corner)) for key, corner in zip(BOX, row, strict=True)}


def box_of(view: ViewConfig) -> dict[str, Any]:
    """Give the box of a view as its keys."""
    return {key: getattr(view, key) for key in BOX}


def has_own_box(env: EnvConfig) -> bool:
    """Tell whether a task is seen in its own box, and in none that somebody chose."""
    return box_of(env.view) == own_box(env.simulator, env.task)


def box_elsewhere(made: EnvConfig, task: str) -> dict[str, Any]:
    """Give the box for another task of what was made with one: that task's own, or the same.

    A box that is not the first task's own was chosen for what was made, and stays.
    """
    own = own_box(made.simulator, task) if has_own_box(made) else None
    return own or box_of(made.view)
