"""When an episode counts as a success: the one rule, for single episodes and for many."""

from typing import Literal, TypeVar

SuccessAt = Literal["end", "ever"]
SuccessT = TypeVar("SuccessT")


def counts_as_success(at_end: SuccessT, ever: SuccessT, success_at: str) -> SuccessT:
    """Choose which success counts under a task's rule, `EnvConfig.success_at`.

    Args:
        at_end: Whether the goal was reached at the last step; a truth value or an array of them.
        ever: Whether it was reached at any step.
        success_at: `end` or `ever`.
    """
    return at_end if success_at == "end" else ever
