"""Moments of Adroit as others record them: joints, velocities and what the reset drew.

D4RL and DAPG keep them by name (`qpos`, `qvel`, and `door_body_pos`, `board_pos` or
`desired_orien`). Where only an observation of gymnasium-robotics was kept, most of a moment can be
found from it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Float

from envs.adroit import AdroitSimulator
from perception.errors import InputError

DRAWN = {"door": "door_body_pos", "hammer": "board_pos", "pen": "desired_orien"}
DIFFERENCE = 1e-6  # Radians or metres, for the slopes of an observation.
ITERATIONS = 10
TOLERANCE_M = 1e-3
# Entries of an observation, and of an action.
SIZES = {"door": (39, 28), "hammer": (46, 26), "pen": (45, 24), "relocate": (39, 30)}


@dataclass(frozen=True)
class Moment:
    """All that a moment of an Adroit task depends on, but for the solver's memory.

    Attributes:
        qpos: Joint positions, radians and metres.
        qvel: Joint velocities.
        drawn: What the reset drew: where the door's frame or the nail's board stands, in metres, or
            the pen's target orientation (w, x, y, z).
    """

    qpos: Float[np.ndarray, " joint"]
    qvel: Float[np.ndarray, " joint"]
    drawn: Float[np.ndarray, " number"]

    @classmethod
    def read(cls, state: Mapping[str, np.ndarray], task: str, where: str) -> "Moment":
        """Read a moment as D4RL, DAPG and gymnasium-robotics name its parts.

        Raises:
            InputError: A part is missing; it is named.
        """
        missing = [name for name in ("qpos", "qvel", DRAWN[task]) if name not in state]
        if missing:
            raise InputError(f"{where} lacks {missing[0]}; it has {', '.join(map(str, state))}")
        parts = (state[name] for name in ("qpos", "qvel", DRAWN[task]))
        return cls(*(np.asarray(part, np.float64).ravel() for part in parts))


@dataclass(frozen=True)
class _Seen:
    """Which entries of a task's observation show what of its moment.

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


def check_sizes(task: str, observation: int, action: int, where: str) -> None:
    """Refuse what another task of Adroit has recorded.

    Raises:
        InputError: The sizes are not this task's; whose they are is said.
    """
    if (observation, action) == SIZES[task]:
        return
    fits = [name for name, sizes in SIZES.items() if sizes == (observation, action)]
    told = f"{where}: observations of {observation} and actions of {action} numbers"
    if fits and fits[0] in SEEN:
        raise InputError(f"{told} are those of {fits[0]}: choose env=adroit-{fits[0]}")
    known = ", ".join(f"{name} has {SIZES[name]}" for name in SEEN)
    raise InputError(f"{told} are those of no task here: {known}")


def apart(
    task: str, one: Float[np.ndarray, " feature"], other: Float[np.ndarray, " feature"]
) -> float:
    """Give the largest difference of two observations: radians, metres or their rates.

    The door's last entry, a mark that it is open, is left out.
    """
    difference = np.abs(one - other)
    return float(difference[:-1].max() if task == "door" else difference.max())


def place(simulator: AdroitSimulator, moment: Moment) -> None:
    """Put a task into a moment, as a reset of gymnasium-robotics does.

    Raises:
        InputError: The moment is another task's.
    """
    model, data = simulator.model, simulator.data
    (edit,) = simulator.layout.edits
    row = getattr(model, edit.field)[edit.row]
    # A board's height alone is what its reset draws.
    drawn = np.append(row[:2], moment.drawn) if len(moment.drawn) == 1 else moment.drawn
    told, wanted = (moment.qpos.size, moment.qvel.size, drawn.size), (model.nq, model.nv, row.size)
    if told != wanted:
        raise InputError(
            f"A state of this task has {wanted[0]} joints, {wanted[1]} velocities and {wanted[2]}"
            f" numbers drawn; this one {told[0]}, {told[1]} and {told[2]}: choose another env="
        )
    mujoco.mj_resetData(model, data)
    row[:] = drawn
    data.qpos[:], data.qvel[:] = moment.qpos, moment.qvel
    mujoco.mj_forward(model, data)


def recover(
    simulator: AdroitSimulator,
    task: str,
    observation: Float[np.ndarray, " feature"],
    known: Moment | None = None,
) -> Moment:
    """Find the moment whose observation this is.

    Most joints are entries of the observation. The others, and what the reset drew, are found by
    Gauss-Newton from where the observation says that bodies are. What shows nowhere is as in
    `known`, or as a reset leaves it: velocities at 0, a pen not rolled about its own length.

    Args:
        simulator: The task; it is left in the moment found.
        task: Its name.
        observation: As gymnasium-robotics gives it after a reset.
        known: A moment near by, with what the reset drew; None finds that too.

    Raises:
        InputError: No moment of this task has that observation.
    """
    seen, drawn = SEEN[task], None if known is None else known.drawn
    near = known or Moment(np.zeros(simulator.model.nq), np.zeros(simulator.model.nv), _NONE)
    qpos, qvel = near.qpos.copy(), near.qvel.copy()
    qpos[seen.joints[0]] = observation[seen.joints[1]]
    qvel[seen.velocities[0]] = observation[seen.velocities[1]]

    def moment(unknown: np.ndarray) -> Moment:
        hidden, rest = np.split(unknown, [len(seen.hidden)])
        found = qpos.copy()
        found[seen.hidden] = hidden
        if drawn is not None:
            return Moment(found, qvel, drawn)
        return Moment(found, qvel, _target(*rest) if task == "pen" else rest)

    def error(unknown: np.ndarray) -> np.ndarray:
        place(simulator, moment(unknown))
        return np.asarray((simulator.observation() - observation)[seen.bodies])

    free = 0 if drawn is not None else {"pen": 2}.get(task, 3)
    found = _gauss_newton(error, np.append(qpos[seen.hidden], np.zeros(free)))
    left = np.abs(error(found)).max()
    if not left < TOLERANCE_M:
        raise InputError(
            f"No moment of {task} has the first observation recorded: bodies are {left:.2g} off"
        )
    return moment(found)


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
