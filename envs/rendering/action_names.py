"""What the numbers of a task's actions are called: the joints that they move, or what it says."""

from typing import Protocol, runtime_checkable

import mujoco

from envs.simulator import Simulator

OF_JOINTS = (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT)


@runtime_checkable
class Named(Protocol):
    """A simulator whose actions are not those of its motors, and which says what they are.

    Attributes:
        action_names: One for each number of an action.
    """

    action_names: tuple[str, ...]


def action_names(simulator: Simulator) -> tuple[str, ...]:
    """Name the numbers of an action; they are counted where neither task nor motors have names."""
    if isinstance(simulator, Named):
        return simulator.action_names
    model, size = simulator.model, simulator.action_size
    names = [_moved(model, motor) for motor in range(model.nu)] if model.nu == size else [""] * size
    return tuple(name or f"action {number}" for number, name in enumerate(names))


def _moved(model: mujoco.MjModel, motor: int) -> str:
    """Name the joint that a motor moves, or the motor itself where it moves no single one."""
    joint = int(model.actuator_trnid[motor, 0])
    of_joint = model.actuator_trntype[motor] in OF_JOINTS
    return str(model.joint(joint).name if of_joint else model.actuator(motor).name)
