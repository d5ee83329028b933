"""What of a Meta-World scene is the hand, the object and the goal: read off its model."""

import mujoco
import numpy as np
from jaxtyping import Float

from envs.simulator import GOAL, HAND, OBJECT, REST, Roles

ARM, WRIST = "base", "right_hand"
FURNITURE = ("world", "mocap", "tablelink", "RetainingWall")
MARK_M = 0.03  # A mark stands where the goal is, not where another task's would be.


def roles_of(model: mujoco.MjModel, data: mujoco.MjData, goal: Float[np.ndarray, "3"]) -> Roles:
    """Say what each body and site is to the task, as it stands at the start of an episode.

    The hand is the gripper with its wrist. An object is what can move and is not the robot. The
    goal is the site that marks it; where none is drawn, what else stands on the table.
    """
    bodies = np.array([_role(model, body) for body in range(model.nbody)], np.uint8)
    sites = bodies[model.site_bodyid]
    marks = [site for site in range(model.nsite) if _marks(model, data, site, goal)]
    if marks:
        bodies[bodies == GOAL] = REST
        sites[sites == GOAL] = REST
        sites[marks] = GOAL
    return Roles(bodies, sites)


def _role(model: mujoco.MjModel, body: int) -> int:
    chain = list(_chain(model, body))
    names = [model.body(index).name for index in chain]
    if ARM in names:
        return HAND if WRIST in names else REST
    if any(model.body_jntnum[index] for index in chain):
        return OBJECT
    return REST if names[0] in FURNITURE else GOAL


def _chain(model: mujoco.MjModel, body: int) -> list[int]:
    """List a body and those it hangs on, without the world."""
    chain = [body]
    while (body := int(model.body_parentid[body])) != 0:
        chain.append(body)
    return chain


def _marks(
    model: mujoco.MjModel, data: mujoco.MjData, site: int, goal: Float[np.ndarray, "3"]
) -> bool:
    """Tell whether a site of the world's own is there to show the goal."""
    near = bool(np.linalg.norm(data.site_xpos[site] - goal) < MARK_M)
    return near and model.site_bodyid[site] == 0 and "goal" in model.site(site).name
