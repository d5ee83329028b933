"""How many points of a store's clouds lie on the hand, the object and the goal.

The simulator says of each pixel what it shows, so a few recorded states drawn again tell it.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from datasets.store.store import EpisodeStore
from envs.make import make_scene, make_simulator
from envs.simulator import GOAL, OBJECT, REST, ROLES, Roles, Watched
from perception.errors import InputError

logger = logging.getLogger(__name__)

FRAMES = 24  # Spread evenly over all steps of a store.
FEW = 5  # Points: with fewer, where a thing is can hardly be told.


@dataclass(frozen=True)
class PointsOn:
    """Points of a cloud on one thing, over the frames that were counted."""

    least: int
    median: float
    mean: float


@dataclass(frozen=True)
class Seen:
    """What a store's clouds show.

    Attributes:
        frames: How many clouds were counted.
        points: Points in a cloud.
        on: On `hand`, `object` and `goal`, where the scene has one to show.
    """

    frames: int
    points: int
    on: dict[str, PointsOn]

    @property
    def in_words(self) -> str:
        """Say how many points lie on each, in the middle of the frames."""
        counts = ", ".join(f"{found.median:g} on the {name}" for name, found in self.on.items())
        return f"Of the {self.points} points of a cloud, {counts} (median of {self.frames} frames)."

    @property
    def warning(self) -> str | None:
        """Say which of object and goal few points lie on; None where there are enough."""
        wanted = (ROLES[OBJECT], ROLES[GOAL])
        few = [n for n in wanted if n in self.on and self.on[n].median < FEW]
        if not few:
            return None
        said = " and ".join(f"{self.on[name].median:g} on the {name}" for name in few)
        return (
            f"few points of a cloud lie where it matters: {said} of {self.points}; a tighter box"
            " (crop_low=, crop_high=), more points= or another camera shows more"
        )


def points_on(store: EpisodeStore) -> Seen | None:
    """Count the points of some of a store's clouds; None where no simulator tells what they show.

    The same store gives the same counts.
    """
    if "env" not in store.identity or not {"point_cloud", "sim_state"} <= set(store.names):
        return None
    try:
        return _count(store)
    except InputError as error:  # Its simulator, or OpenGL, is not there; or states are damaged.
        logger.info("%s: what its clouds show is not counted: %s", store.path, error)
        return None


def _count(store: EpisodeStore) -> Seen | None:
    simulator = make_simulator(store.env)
    if not isinstance(simulator, Watched):
        return None
    scene, roles = make_scene(simulator, store.env), simulator.roles()
    rows = np.unique(np.linspace(0, store.steps - 1, FRAMES).round().astype(int))
    states = [store.read("sim_state", slice(row, row + 1))[0] for row in rows]
    shown = np.stack([scene.roles(state, roles) for state in states])
    return Seen(len(rows), shown.shape[1], dict(_on_each(shown, roles)))


def _on_each(
    shown: UInt8[np.ndarray, "frame point"], roles: Roles
) -> Iterator[tuple[str, PointsOn]]:
    there = np.union1d(roles.bodies, roles.sites)
    for role, name in enumerate(ROLES):
        if role != REST and role in there:
            counts = (shown == role).sum(axis=1)
            middle = round(float(counts.mean()), 1)
            yield name, PointsOn(int(counts.min()), float(np.median(counts)), middle)
