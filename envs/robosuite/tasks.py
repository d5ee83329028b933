"""robosuite's tasks that are here: their classes, what is handled, and where it shall go."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from jaxtyping import Float

from envs.robosuite.script import Handling
from envs.simulator import GOAL, HAND, OBJECT, REST, Roles

Env = Any  # robosuite has no types.

LIFTED_M = 0.04  # Above the table.
CAN, STANDING_M = 3, 0.06  # The can's number among four objects; its middle over the bin's body.
PEG_M = 0.1  # Half its height.
GRIPPER = ("robot0_right_hand", "gripper0_")  # Beginnings of names of bodies.


@dataclass(frozen=True)
class RobosuiteTask:
    """What differs between the tasks.

    Attributes:
        name: robosuite's own.
        object: The body that is handled.
        grasp: The site or body where it is held.
        goal: The body that shows where it shall go; None: nothing does.
        place: Where it shall go, in world metres.
        handling: How the script handles it.
    """

    name: str
    object: str
    grasp: str
    goal: str | None
    place: Callable[[Env], Float[np.ndarray, " 3"]]
    handling: Handling


def _lifted(env: Env) -> Float[np.ndarray, " 3"]:
    """Give the place above where the cube is."""
    x, y, _ = env.sim.data._data.body("cube_main").xpos
    return np.array([x, y, float(env.model.mujoco_arena.table_offset[2]) + LIFTED_M])


def _tip_of_peg(env: Env) -> Float[np.ndarray, " 3"]:
    x, y, z = env.sim.data._data.body("peg1").xpos
    return np.array([x, y, z + PEG_M])


TASKS = {
    "lift": RobosuiteTask(
        name="Lift",
        object="cube_main",
        grasp="cube_main",
        goal=None,
        place=_lifted,
        handling=Handling(0.046, 0.0, np.pi / 2, None, 0.03, over_m=0.03, release_m=None),
    ),
    "can": RobosuiteTask(
        name="PickPlaceCan",
        object="Can_main",
        grasp="Can_main",
        goal="bin2",
        place=lambda env: env.target_bin_placements[CAN] + [0, 0, STANDING_M],
        handling=Handling(0.054, 0.02, None, None, 0.06, over_m=0.1, release_m=0.07),
    ),
    "square": RobosuiteTask(
        name="NutAssemblySquare",
        object="SquareNut_main",
        grasp="SquareNut_handle_site",
        goal="peg1",
        place=_tip_of_peg,
        handling=Handling(0.036, 0.0, np.pi, np.pi / 2, 0.0075, over_m=0.04, release_m=-0.02),
    ),
}


def roles_of(model: mujoco.MjModel, task: RobosuiteTask) -> Roles:
    """Say what each body is to the task: the gripper, what is handled, where it shall go."""
    bodies = np.full(model.nbody, REST, np.uint8)
    for body in range(1, model.nbody):  # A body comes after what it hangs on.
        name = model.body(body).name
        bodies[body] = bodies[model.body_parentid[body]]
        if name.startswith(GRIPPER):
            bodies[body] = HAND
        elif name == task.object:
            bodies[body] = OBJECT
        elif name == task.goal:
            bodies[body] = GOAL
    return Roles(bodies, bodies[model.site_bodyid])
