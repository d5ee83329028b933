"""What an action must be: as many finite numbers as the task has, else nothing is done with it."""

import numpy as np
from jaxtyping import Float

from perception.errors import InputError


def check_action(action: object, size: int, when: str = "") -> Float[np.ndarray, " action"]:
    """Give an action as floating point numbers; what lies beyond -1 and 1 counts as -1 and 1.

    Args:
        action: What a policy gave.
        size: Numbers in an action of the task.
        when: Which one it is, for the message, e.g. ` of step 3`.

    Raises:
        InputError: It has another shape or no real numbers, or one is not finite: its dimension is
            named.
    """
    numbers = np.asarray(action)
    if numbers.dtype.kind not in "fiu":
        raise InputError(f"The action{when} must hold real numbers, not {numbers.dtype}")
    if numbers.shape != (size,):
        raise InputError(f"The action{when} must be of shape ({size},), not {numbers.shape}")
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        raise InputError(
            f"The action{when} is {numbers[bad[0]]} in dimension {bad[0]}: the task takes finite"
            " numbers in [-1, 1]"
        )
    return numbers if numbers.dtype.kind == "f" else numbers.astype(np.float64)
