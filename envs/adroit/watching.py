"""What of an Adroit scene is the hand, the object and the goal: its bodies and sites by name."""

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from envs.simulator import GOAL, HAND, OBJECT, REST, Places, Roles

PALM = "S_grasp"


@dataclass(frozen=True)
class Watch:
    """Names of a task.

    Attributes:
        object: The body that the hand must move.
        goal: The body that shows where to; None: the door, which is to swing as far as it goes.
        places: Sites whose middle is where the object is.
        goal_places: Sites whose middle is where it shall go.
    """

    object: str
    goal: str | None
    places: Sequence[str]
    goal_places: Sequence[str]


WATCHED = {
    "door": Watch("latch", None, ("S_handle",), ("S_handle_target",)),
    "hammer": Watch("Object", "nail", ("tool",), ("nail_goal",)),
    "pen": Watch(
        "Object", "target", ("object_top", "object_bottom"), ("target_top", "target_bottom")
    ),
}


def roles_of(model: mujoco.MjModel, task: str) -> Roles:
    """Say what each body and site is to the task."""
    watch = WATCHED[task]
    names = {"wrist": HAND, watch.object: OBJECT, watch.goal: GOAL}
    bodies = np.full(model.nbody, REST, np.uint8)
    for body in range(1, model.nbody):  # A body comes after what it hangs on.
        above = bodies[model.body_parentid[body]]
        bodies[body] = names.get(model.body(body).name, above)
    return Roles(bodies, bodies[model.site_bodyid])


def places_of(data: mujoco.MjData, task: str) -> Places:
    """Say where palm, object and goal are: the hammer's head and where the nail shall be driven."""
    watch = WATCHED[task]
    middles = [
        np.mean([data.site(name).xpos for name in names], axis=0)
        for names in ((PALM,), watch.places, watch.goal_places)
    ]
    return Places(*middles)
