"""When an episode counts as a success: the one place that says it."""

from typing import Literal, TypeVar

SuccessAt = Literal["end", "ever"]
FlagT = TypeVar("FlagT")


def succeeded(at_end: FlagT, ever: FlagT, success_at: str) -> FlagT:
    """Tell whether episodes succeed, given whether they reached the goal at their end, or ever.

    Args:
        at_end: Whether the goal is reached at the last step: a flag, or an array of them.
        ever: Whether it was reached at any step.
        success_at: The task's rule: `end` (DP3's for Adroit) or `ever` (Meta-World's).
    """
    return at_end if success_at == "end" else ever
