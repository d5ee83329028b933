"""How far a long command is: a bar on a terminal, a line every 30 seconds in a file or a pipe."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

EVERY_S = 30.0
LINE = "{desc}: {n_fmt} of {total_fmt} {unit}s, {elapsed}, {remaining} to go{postfix}"


class Lines(tqdm):  # type: ignore[type-arg]
    """A bar's numbers as lines of their own, for what is no terminal."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        paced: dict[str, Any] = {
            "mininterval": EVERY_S,
            "maxinterval": EVERY_S,
            "miniters": 1,
            "bar_format": LINE,
        }
        super().__init__(*arguments, **{**options, **paced})

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Write a line; none before anything was done."""
        if self.n > self.initial:
            self.fp.write(f"{msg or self}\n")
            self.fp.flush()

    def clear(self, nolock: bool = False) -> None:
        """Leave what was written."""

    def set_postfix(self, *arguments: Any, **numbers: Any) -> None:  # noqa: ANN401
        """Take numbers along with the next line."""
        super().set_postfix(*arguments, **{**numbers, "refresh": False})

    def close(self) -> None:
        """Write the last line."""
        if not self.disable:
            self.display()
        self.sp = None  # tqdm then writes nothing more.
        super().close()


def progress(
    items: Iterable[Any] | None,
    what: str,
    total: int | None = None,
    *,
    initial: int = 0,
    unit: str,
    quiet: bool = False,
    position: int | None = None,
) -> Any:  # noqa: ANN401 (tqdm has no type of its items)
    """Show how far an iteration is, or what `update` is told.

    Args:
        items: What is gone through; None where `update` counts.
        what: The name before the numbers.
        total: How many there are, where `items` does not know.
        initial: How many were done before.
        unit: What is counted.
        quiet: Shows nothing.
        position: Of several bars, which line.
    """
    bar = tqdm if sys.stderr.isatty() else Lines
    return bar(items, what, total, initial=initial, unit=unit, disable=quiet, position=position)
