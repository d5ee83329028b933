"""What a number may be, said once beside its field: `episodes: Annotated[int, at_least(1)]`.

`configs.build` checks what a field's annotation says. What two fields must be to each other is said
in `__post_init__` by `require`.
"""

from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Annotated, Any, Protocol, runtime_checkable

from perception.errors import InputError

LARGEST = 2**31 - 1  # Of what is not bounded otherwise: 32 bits, as Torch and MuJoCo count.


@runtime_checkable
class Check(Protocol):
    """A note in a field's annotation that its value is checked by."""

    def check(self, value: Any, key: str) -> None:  # noqa: ANN401 (each its own)
        """Refuse a value by an `InputError` that names its key."""


@dataclass(frozen=True)
class Range:
    """Which numbers a field takes, both ends included but an open lower one; never NaN.

    Attributes:
        low: The least.
        high: The greatest.
        above_low: Whether the least itself is left out.
        multiple_of: What divides them.
    """

    low: float = -inf
    high: float = inf
    above_low: bool = False
    multiple_of: int = 1

    def check(self, value: float, key: str) -> None:
        """Refuse a number that is outside."""
        if not isfinite(value):
            raise InputError(f"{key} must be a finite number, not {value}")
        if value > self.high:
            raise InputError(f"{key} must be at most {_plain(self.high)}, not {value}")
        low = value > self.low if self.above_low else value >= self.low
        if not low or (self.multiple_of > 1 and value % self.multiple_of):
            raise InputError(f"{key} must be {self}, not {value}")

    def __str__(self) -> str:
        """Say it in words."""
        if self.low == -inf:
            return "a finite number"
        low, high = _plain(self.low), _plain(self.high)
        kind = "" if self.multiple_of == 1 else f"a multiple of {self.multiple_of}, "
        if self.above_low:
            return f"{kind}above {low}" + (f" and at most {high}" if self.high < LARGEST else "")
        if self.high in (LARGEST, inf):
            return f"{kind}at least {low}"
        return f"{kind}between {low} and {high}"


def _plain(number: float) -> str:
    return f"{number:.0f}" if float(number).is_integer() else f"{number:g}"


def at_least(low: float) -> Range:
    """Take numbers from this one on (as far as 32 bits go)."""
    return Range(low, LARGEST)


def above(low: float, high: float = LARGEST) -> Range:
    """Take numbers greater than this one."""
    return Range(low, high, above_low=True)


def between(low: float, high: float) -> Range:
    """Take numbers from one to the other."""
    return Range(low, high)


@dataclass(frozen=True)
class Rising:
    """The field's two numbers are a range: the first is not the greater one."""

    def check(self, value: tuple[float, float], key: str) -> None:
        """Refuse a range that is turned round."""
        if value[0] > value[1]:
            raise InputError(f"{key} must rise, from low to high: not {list(value)}")

    def __str__(self) -> str:
        """Say it in words."""
        return "low, high"


@dataclass(frozen=True)
class Filled:
    """The field takes several values, and needs one at least."""

    def check(self, value: tuple[Any, ...], key: str) -> None:
        """Refuse an empty list."""
        if not value:
            raise InputError(f"{key} must name at least one, not []")

    def __str__(self) -> str:
        """Say it in words."""
        return "one or more"


@dataclass(frozen=True)
class Named:
    """The field is the path of something to write: `.` and `..` have no name of their own."""

    def check(self, value: Path, key: str) -> None:
        """Refuse a path that ends in no name."""
        if value.name in ("", ".."):
            raise InputError(f"{key} must end in a name of its own, not be {value}")

    def __str__(self) -> str:
        """Say it in words."""
        return "a path that ends in a name"


@dataclass(frozen=True)
class Word:
    """The field names a folder among others: no path, and nothing hidden."""

    def check(self, value: str, key: str) -> None:
        """Refuse what is no name of a folder."""
        if not value or value.startswith(".") or {"/", "\\", "\0"} & set(value):
            raise InputError(f"{key} must be a name without slashes, not {value!r}")

    def __str__(self) -> str:
        """Say it in words."""
        return "a name"


class KeysDisagreeError(InputError):
    """Two values that do not go together; `@` stands before each key, for the keys above it."""

    def __init__(self, text: str) -> None:
        super().__init__(text.replace("@", ""))
        self.text = text

    def below(self, where: str) -> InputError:
        """Say it with whole keys."""
        return InputError(self.text.replace("@", where))


def require(holds: bool, text: str) -> None:
    """Refuse values that do not go together; the text has `@` before each of their keys.

    Raises:
        KeysDisagreeError: They do not.
    """
    if not holds:
        raise KeysDisagreeError(text)


Count = Annotated[int, at_least(1)]
Whole = Annotated[int, at_least(0)]
Seed = Annotated[int, between(0, 2**32 - 1)]  # What NumPy's and Torch's generators take.
Port = Annotated[int, between(0, 65535)]  # 0: one that is free.
Processes = Annotated[int, between(0, 512)]  # 0: this one alone, or the library's own choice.
Players = Annotated[int, between(1, 1024)]  # Environments side by side.
Width = Annotated[int, between(1, 65536)]  # Of a layer.
Steps = Annotated[int, between(1, 1024)]  # That a planner looks back or ahead.
Points = Annotated[int, between(0, 2**20)]
CloudPoints = Annotated[int, between(1, 2**20)]  # Of a cloud that must be there.
Pixels = Annotated[int, between(1, 8192)]
EvenPixels = Annotated[int, Range(16, 8192, multiple_of=2)]  # As H.264 wants them.
Real = Annotated[float, Range()]
NotNegative = Annotated[float, at_least(0)]
Positive = Annotated[float, above(0)]
Share = Annotated[float, between(0, 1)]
Rate = Annotated[float, above(0, 1)]
FramesPerSecond = Annotated[float, above(0, 1000)]
Spread = Annotated[tuple[NotNegative, NotNegative], Rising()]
Shares = Annotated[tuple[Share, Share], Rising()]
Corner = tuple[Real, Real, Real]
ErrorMm = Annotated[float, between(0, 1000)]
Stores = Annotated[tuple[Path, ...], Filled()]
Output = Annotated[Path, Named()]
Name = Annotated[str, Word()]
