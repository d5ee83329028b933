"""What of an environment is the robot's own, its hand, and nothing that a camera sees."""

from collections.abc import Callable

import mujoco
import numpy as np
from jaxtyping import Float, Int

from envs.config import GymnasiumConfig
from perception.errors import InputError

FAINT = 0.2  # Opacity of what is drawn to hint at something.


def handles_of(model: mujoco.MjModel) -> Int[np.ndarray, " mocap"]:
    """List the mocap bodies that only hint at where a robot is pulled: faint, touching nothing."""
    touches = (model.geom_contype != 0) | (model.geom_conaffinity != 0)
    faint = np.unique(model.geom_bodyid[model.geom_rgba[:, 3] < FAINT])
    hints = np.setdiff1d(faint, model.geom_bodyid[touches])
    moved = model.body_mocapid[hints]
    return np.asarray(moved[moved >= 0])


def entries_of(keys: GymnasiumConfig, size: int) -> Int[np.ndarray, " reading"]:
    """List the entries of the observation that are the robot's own.

    Raises:
        InputError: A range is empty, or ends beyond the observation.
    """
    if keys.robot_state is None:
        return np.arange(size)
    for first, end in keys.robot_state:
        if not 0 <= first < end <= size:
            raise InputError(
                f"env.gymnasium.robot_state: [{first}, {end}] is no range of the observation's"
                f" {size} numbers; the second one is the first that is left out"
            )
    return np.concatenate([np.arange(first, end) for first, end in keys.robot_state])


def hand_of(
    model: mujoco.MjModel, name: str | None
) -> Callable[[mujoco.MjData], Float[np.ndarray, " 3"]]:
    """Find a site or a body by its name; without one, the body at the end of the longest chain.

    Raises:
        InputError: There is none of that name; those that there are are listed.
    """
    if name is None:
        depths = np.zeros(model.nbody, int)
        for body in range(1, model.nbody):
            depths[body] = depths[model.body_parentid[body]] + 1
        last = int(depths.argmax())
        return lambda data: data.xpos[last]
    sites = [model.site(index).name for index in range(model.nsite)]
    bodies = [model.body(index).name for index in range(1, model.nbody)]
    if name in sites:
        return lambda data: data.site(name).xpos
    if name in bodies:
        return lambda data: data.body(name).xpos
    there = ", ".join(sorted(filter(None, {*sites, *bodies})))
    raise InputError(f"env.gymnasium.hand={name} is no site or body of it; there are {there}")
