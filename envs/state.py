"""Which numbers are a simulator's state: MuJoCo's own, and the model fields a reset edits.

MuJoCo keeps a state in `MjData`, but these tasks also move bodies and sites in `MjModel` when they
are reset (a door frame, a nail board, a goal), so a state without those is another scene.
"""

from dataclasses import dataclass

import mujoco
import numpy as np
from jaxtyping import Float

# All that a picture depends on, with the velocities: enough to render, to inspect and to export.
SCENE = int(
    mujoco.mjtState.mjSTATE_FULLPHYSICS
    | mujoco.mjtState.mjSTATE_MOCAP_POS
    | mujoco.mjtState.mjSTATE_MOCAP_QUAT
)
# All that the next step depends on.
EXACT = int(mujoco.mjtState.mjSTATE_INTEGRATION)


@dataclass(frozen=True)
class ModelEdit:
    """One row of a model array that a reset rewrites, e.g. `body_pos` of `frame`."""

    field: str
    row: int

    @property
    def name(self) -> str:
        """The edit as text, e.g. `body_pos[28]`."""
        return f"{self.field}[{self.row}]"


@dataclass(frozen=True)
class StateLayout:
    """The order of the numbers in a state vector: MuJoCo's, then the edited model rows."""

    edits: tuple[ModelEdit, ...]

    def read(
        self, model: mujoco.MjModel, data: mujoco.MjData, part: int
    ) -> Float[np.ndarray, " number"]:
        """Copy a state out; `part` is `SCENE` or `EXACT`."""
        physics = np.empty(mujoco.mj_stateSize(model, part))
        mujoco.mj_getState(model, data, physics, part)
        rows = [getattr(model, edit.field)[edit.row] for edit in self.edits]
        return np.concatenate([physics, *rows])

    def write(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        part: int,
        *,
        state: Float[np.ndarray, " number"],
    ) -> None:
        """Put a state back; positions of bodies follow with the next kinematics.

        Raises:
            ValueError: The vector has another length than this model's states.
        """
        size = mujoco.mj_stateSize(model, part)
        expected = size + sum(getattr(model, edit.field)[edit.row].size for edit in self.edits)
        if len(state) != expected:
            raise ValueError(f"A state of this task has {expected} numbers, this one {len(state)}")
        mujoco.mj_setState(model, data, state[:size], part)
        start = size
        for edit in self.edits:
            row = getattr(model, edit.field)[edit.row]
            row[:] = state[start : start + row.size]
            start += row.size
