"""Which number is full colour in floating data: 1 or 255, decided by the spread of all of it.

Resampling and compression overshoot: one value of 1.02 among colours of 0 to 1 does not make them
bytes. So colours count as 0 to 255 only where most of those above 0 are also above 1, or where none
lies between 0 and 1; where neither scale fits, they are refused.
"""

from dataclasses import dataclass

import numpy as np

from perception.errors import InputError

TOLERANCE = 0.05  # Of full colour: how far values may overshoot; they are clipped.


@dataclass
class Spread:
    """What was seen of colours so far.

    Attributes:
        low: The smallest value.
        high: The largest value.
        shown: How many lie above 0.
        bright: How many lie above 1, by more than the tolerance.
        partial: How many lie between 0 and 1, exclusive.
    """

    low: float = np.inf
    high: float = -np.inf
    shown: int = 0
    bright: int = 0
    partial: int = 0

    def add(self, colours: np.ndarray) -> None:
        """Look at more of the data; what is not finite is for others to refuse."""
        known = colours[np.isfinite(colours)]
        if not known.size:
            return
        self.low, self.high = min(self.low, float(known.min())), max(self.high, float(known.max()))
        self.shown += int((known > 0).sum())
        self.bright += int((known > 1 + TOLERANCE).sum())
        self.partial += int(((known > 0) & (known < 1)).sum())

    @property
    def seen(self) -> bool:
        """Whether any colour was looked at."""
        return self.high >= self.low

    def told(self, full: float) -> str:
        """Say what was decided."""
        text = f"colours run from {self.low:g} to {self.high:g} and count as 0 to {full:g}"
        return (
            text if self.low >= 0 and self.high <= full else f"{text}; what overshoots is clipped"
        )

    def full(self, where: str) -> float:
        """Give the number that is full colour.

        Args:
            where: Whose colours, for the error.

        Raises:
            InputError: They are neither 0 to 1 nor 0 to 255.
        """
        if self.high <= 1 + TOLERANCE and self._fits(1):
            return 1.0
        mostly = 2 * self.bright >= self.shown or not self.partial
        if self._fits(255) and self.bright and mostly:
            return 255.0
        raise InputError(
            f"{where}: colours run from {self.low:g} to {self.high:g}, with {self.bright} of"
            f" {self.shown} above 1: neither 0 to 1 nor 0 to 255; scale them, or convert without"
            " them (colour=false for clouds; images= for pictures)"
        )

    def _fits(self, full: float) -> bool:
        return self.low >= -TOLERANCE * full and self.high <= (1 + TOLERANCE) * full
