"""What is watched of learning, and when it has gone wrong beyond what a further step can mend."""

from collections.abc import Iterable

from torch import Tensor, isfinite


class DivergedError(Exception):
    """A loss, ratio or gradient that no further step can mend."""


def finite(loss: Tensor, name: str) -> float:
    """Give a loss as a number.

    Raises:
        DivergedError: It is not finite.
    """
    if not isfinite(loss):
        raise DivergedError(f"{name} is {loss.item()}")
    return loss.item()


def means(watched: Iterable[dict[str, float]]) -> dict[str, float]:
    """Average each value over the steps that gave it."""
    by_name: dict[str, list[float]] = {}
    for values in watched:
        for name, value in values.items():
            by_name.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in by_name.items()}
