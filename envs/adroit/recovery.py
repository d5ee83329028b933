"""Find a state of Adroit from its observation, where nothing else was kept.

Observations of gymnasium-robotics show most joints themselves, and the others in where bodies are.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from envs.adroit.restore import AdroitState, place
from envs.adroit.simulator import AdroitSimulator
from perception.errors import InputError

DIFFERENCE = 1e-6  # Radians or metres, for the slopes of an observation.
ITERATIONS = 10
TOLERANCE_M = 1e-3


@dataclass(frozen=True)
class _Seen:
    """Which entries of a task's observation show what of its state.

    Attributes:
        joints: Joint positions that are entries themselves, and which entries they are.
        velocities: The same of velocities.
        hidden: Joint positions that only show in where bodies are.
        bodies: The entries that tell where bodies are.
    """

    joints: tuple[np.ndarray, np.ndarray]
    velocities: tuple[np.ndarray, np.ndarray]
    hidden: np.ndarray
    bodies: np.ndarray


_NONE = np.arange(0)
_OBJECT = np.arange(-6, 0)
SEEN = {
    "door": _Seen(
        joints=(np.r_[1:28, 29, 28], np.arange(29)),
        velocities=(_NONE, _NONE),
        hidden=np.array([0]),
        bodies=np.arange(29, 35),
    ),
    "hammer": _Seen(
        joints=(np.arange(27), np.arange(27)),
        velocities=(_OBJECT, np.arange(27, 33)),
        hidden=_OBJECT,
        bodies=np.arange(33, 45),
    ),
    "pen": _Seen(
        joints=(np.arange(24), np.arange(24)),
        velocities=(_OBJECT, np.arange(27, 33)),
        hidden=_OBJECT,
        bodies=np.r_[24:27, 33:39],
    ),
}


def recover(
    simulator: AdroitSimulator,
    task: str,
    observation: Float[np.ndarray, " feature"],
    near: AdroitState | None = None,
) -> AdroitState:
    """Find the state whose observation this is.

    Most joints are entries of the observation. The others, and what the reset drew, are found by
    Gauss-Newton from where the observation says that bodies are. What shows nowhere is as in
    `near`, or as a reset leaves it: velocities at 0, a pen not rolled about its own length.

    Args:
        simulator: The task; it is left in the state found.
        task: Its name.
        observation: As gymnasium-robotics gives it after a reset.
        near: A state near by, with what the reset drew; None finds that too.

    Raises:
        InputError: No state of this task has that observation.
    """
    seen, drawn = SEEN[task], None if near is None else near.drawn
    at_rest = (np.zeros(simulator.model.nq), np.zeros(simulator.model.nv), np.zeros(0))
    around = near or AdroitState(*at_rest)
    qpos, qvel = around.qpos.copy(), around.qvel.copy()
    qpos[seen.joints[0]] = observation[seen.joints[1]]
    qvel[seen.velocities[0]] = observation[seen.velocities[1]]

    def state(unknown: np.ndarray) -> AdroitState:
        hidden, rest = np.split(unknown, [len(seen.hidden)])
        found = qpos.copy()
        found[seen.hidden] = hidden
        if drawn is not None:
            return AdroitState(found, qvel, drawn)
        return AdroitState(found, qvel, _target(*rest) if task == "pen" else rest)

    def error(unknown: np.ndarray) -> np.ndarray:
        place(simulator, state(unknown))
        return np.asarray((simulator.observation() - observation)[seen.bodies])

    free = 0 if drawn is not None else {"pen": 2}.get(task, 3)
    found = _gauss_newton(error, np.append(qpos[seen.hidden], np.zeros(free)))
    left = np.abs(error(found)).max()
    if not left < TOLERANCE_M:
        raise InputError(
            f"No state of {task} has the first observation recorded: bodies are {left:.2g} off"
        )
    return state(found)


def _gauss_newton(
    error: Callable[[np.ndarray], np.ndarray], start: Float[np.ndarray, " unknown"]
) -> Float[np.ndarray, " unknown"]:
    """Make an error least, from a start near by."""
    found, steps = start, DIFFERENCE * np.eye(len(start))
    for _ in range(ITERATIONS):
        here = error(found)
        slopes = np.stack([(error(found + step) - here) / DIFFERENCE for step in steps], axis=1)
        found = found - np.linalg.lstsq(slopes, here, rcond=1e-6)[0]
    return found


def _target(about_x: float, about_y: float) -> Float[np.ndarray, "4"]:
    """Give the quaternion of the pen's target, as its reset draws it from two angles."""
    cos_x, cos_y = np.cos([about_x / 2, about_y / 2])
    sin_x, sin_y = np.sin([about_x / 2, about_y / 2])
    return np.array([cos_x * cos_y, sin_x * cos_y, cos_x * sin_y, sin_x * sin_y])
