"""Planners that cameras can serve, with how their clouds are made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configs.build import build, mapping
from envs.config import ViewConfig
from perception.errors import InputError
from policy.planner.checkpoint import load_policy
from policy.planner.policy import Policy
from policy.rollouts.loading import env_of
from policy.runs.run import find_checkpoint


def load_seeing(checkpoint: Path, view: ViewConfig | None = None) -> tuple[Policy, ViewConfig]:
    """Read a planner that sees clouds, and how they are made: as it says, or else as given.

    Raises:
        InputError: See `Actor.load`.
    """
    path = find_checkpoint(checkpoint)
    planner, about = load_policy(path)
    own = view or _view_of(about, path)
    if own is None:
        raise InputError(f"{path} does not say how its clouds were made: give view= (a ViewConfig)")
    check_sight(planner, own)
    return planner, own


def _view_of(about: Mapping[str, Any], path: Path) -> ViewConfig | None:
    """Give how a planner sees: as the cameras did that its data are of, or as its task is seen."""
    if "view" in about:
        return build(ViewConfig, mapping(about["view"], "view"), f"{path}: view.")
    env = env_of(about, path)
    return None if env is None else env.view


def check_sight(planner: Policy, view: ViewConfig) -> None:
    """Refuse a planner that cameras cannot serve.

    Raises:
        InputError: It sees the simulator's state, or clouds of another kind than the view.
    """
    if planner.observes == "features":
        raise InputError(
            "This planner sees the simulator's own state, which no camera does: train one that sees"
            " clouds (encoder=dp3)"
        )
    channels = 6 if view.colour else 3
    if planner.sizes.channels != channels or view.points < 1:
        raise InputError(
            f"The planner sees points of {planner.sizes.channels} numbers, and the view makes"
            f" {view.points} points of {channels}"
        )
