"""States of Adroit as others record them: joints, velocities and what the reset drew.

D4RL and DAPG keep them by name: `qpos`, `qvel`, and `door_body_pos`, `board_pos` or
`desired_orien`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Float

from envs.adroit.simulator import AdroitSimulator
from perception.errors import InputError

DRAWN = {"door": "door_body_pos", "hammer": "board_pos", "pen": "desired_orien"}
# Entries of an observation, and of an action.
SIZES = {"door": (39, 28), "hammer": (46, 26), "pen": (45, 24), "relocate": (39, 30)}


@dataclass(frozen=True)
class AdroitState:
    """All that an Adroit task goes on from, but for the solver's memory.

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
    def read(cls, state: Mapping[str, np.ndarray], task: str, where: str) -> "AdroitState":
        """Read a state as D4RL, DAPG and gymnasium-robotics name its parts.

        Raises:
            InputError: A part is missing; it is named.
        """
        missing = [name for name in ("qpos", "qvel", DRAWN[task]) if name not in state]
        if missing:
            raise InputError(f"{where} lacks {missing[0]}; it has {', '.join(map(str, state))}")
        parts = (state[name] for name in ("qpos", "qvel", DRAWN[task]))
        return cls(*(np.asarray(part, np.float64).ravel() for part in parts))


def check_sizes(task: str, observation: int, action: int, where: str) -> None:
    """Refuse what another task of Adroit has recorded.

    Raises:
        InputError: The sizes are not this task's; whose they are is said.
    """
    if (observation, action) == SIZES[task]:
        return
    fits = [name for name, sizes in SIZES.items() if sizes == (observation, action)]
    sizes = f"{where}: observations of {observation} and actions of {action} numbers"
    if fits and fits[0] in DRAWN:
        raise InputError(f"{sizes} are those of {fits[0]}: choose env=adroit-{fits[0]}")
    ours = ", ".join(f"{name} has {SIZES[name]}" for name in DRAWN)
    raise InputError(f"{sizes} are those of no task here: {ours}")


def apart(
    task: str, one: Float[np.ndarray, " feature"], other: Float[np.ndarray, " feature"]
) -> float:
    """Give the largest difference of two observations: radians, metres or their rates.

    The door's last entry, a mark that it is open, is left out.
    """
    difference = np.abs(one - other)
    return float(difference[:-1].max() if task == "door" else difference.max())


def place(simulator: AdroitSimulator, state: AdroitState) -> None:
    """Put a task into a state, as a reset of gymnasium-robotics does.

    Raises:
        InputError: The state is another task's.
    """
    model, data = simulator.model, simulator.data
    (edit,) = simulator.layout.edits
    row = getattr(model, edit.field)[edit.row]
    # A board's height alone is what its reset draws.
    drawn = np.append(row[:2], state.drawn) if len(state.drawn) == 1 else state.drawn
    given, wanted = (state.qpos.size, state.qvel.size, drawn.size), (model.nq, model.nv, row.size)
    if given != wanted:
        raise InputError(
            f"A state of this task has {wanted[0]} joints, {wanted[1]} velocities and {wanted[2]}"
            f" numbers drawn; this one {given[0]}, {given[1]} and {given[2]}: choose another env="
        )
    mujoco.mj_resetData(model, data)
    row[:] = drawn
    data.qpos[:], data.qvel[:] = state.qpos, state.qvel
    mujoco.mj_forward(model, data)
