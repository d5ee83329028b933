"""SciPy's rotations without a check of each matrix: a quarter of the time of Meta-World's step."""

import inspect
import sys

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation


class OfMuJoCo:
    """What Meta-World's tasks use of SciPy's `Rotation`, for matrices that MuJoCo made."""

    @staticmethod
    def from_matrix(matrix: Float[np.ndarray, "3 3"]) -> Rotation:
        """Take a matrix for a rotation, as MuJoCo's are: its quaternion has the same bits."""
        return Rotation.from_matrix(matrix, assume_valid=True)


def trust_rotations(task: type) -> None:
    """Let the module of a task take MuJoCo's matrices as they are, where SciPy offers that."""
    module = sys.modules[task.__module__]
    offered = "assume_valid" in inspect.signature(Rotation.from_matrix).parameters
    if offered and getattr(module, "Rotation", None) is Rotation:
        module.__dict__["Rotation"] = OfMuJoCo
