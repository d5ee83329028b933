"""Every number of every configuration has a range, and what is outside is refused by its key."""

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest

from configs.build import build
from configs.kinds import OneOf, find_kind, kinds
from configs.ranges import Count, Filled, Name, Output, Range, Rate, Spread, above, between, require
from perception.errors import InputError
from tests.layout.sources import ROOT, sources

DECLARED = re.compile(r"^@script\(\s*\"[\w/-]+\", (\w+)", re.MULTILINE)


def schemas() -> list[Any]:
    """Give the configuration of every script."""
    found = []
    for source in sources("datasets", "policy", "studies"):
        match = DECLARED.search(source.read_text(encoding="utf-8"))
        if match:
            name = ".".join(source.relative_to(ROOT).with_suffix("").parts)
            found.append(getattr(importlib.import_module(name), match[1]))
    return found


def bare_numbers(hint: Any, where: str, ranged: bool = False) -> Iterator[str]:  # noqa: ANN401
    """List the numbers below an annotation that no range stands beside."""
    if is_dataclass(hint):
        hints = get_type_hints(hint, include_extras=True)
        for field in fields(hint):
            yield from bare_numbers(hints[field.name], f"{where}.{field.name}")
        return
    if hint in (int, float) and not ranged:
        yield where
    if get_origin(hint) is not Annotated:
        for option in get_args(hint):
            yield from bare_numbers(option, where, ranged)
        return
    kind, *notes = get_args(hint)
    for package in (note.package for note in notes if isinstance(note, OneOf)):
        for name in kinds(package):
            yield from bare_numbers(find_kind(package, name).config, f"{where}={name}")
    yield from bare_numbers(kind, where, any(isinstance(note, Range) for note in notes))


def test_every_number_of_every_script_has_a_range() -> None:
    found = schemas()
    assert len(found) >= 15
    assert not [key for schema in found for key in bare_numbers(schema, schema.__name__)]


@dataclass(frozen=True)
class Inner:
    low: Count
    high: Count

    def __post_init__(self) -> None:
        require(self.low < self.high, f"@low={self.low} must be below @high={self.high}")


@dataclass(frozen=True)
class Outer:
    count: Count
    perhaps: Count | None
    share: Annotated[float, between(0, 1)]
    rate: Rate
    weight: Annotated[float, above(0)]
    spread: Spread
    out: Output
    name: Name
    words: Annotated[tuple[str, ...], Filled()]
    many: tuple[Count, ...]
    inner: Inner


GOOD = {
    "count": 1, "perhaps": None, "share": 0, "rate": 1, "weight": 0.1, "spread": [0, 1],
    "out": "a/b", "name": "bc", "words": ["a"], "many": [1, 2], "inner": {"low": 1, "high": 2},
}  # fmt: skip


def test_the_ends_of_a_range_are_in_it() -> None:
    built = build(Outer, GOOD)
    assert (built.count, built.share, built.rate, built.spread) == (1, 0.0, 1.0, (0.0, 1.0))
    assert built.out == Path("a/b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "count must be at least 1, not 0"),
        ({"count": 10**20}, "count must be at most 2147483647, not 100000000000000000000"),
        ({"perhaps": -1}, "perhaps must be at least 1, not -1"),
        ({"share": 2}, "share must be at most 1, not 2.0"),
        ({"share": -0.5}, "share must be between 0 and 1, not -0.5"),
        ({"share": float("nan")}, "share must be a finite number, not nan"),
        ({"rate": 0}, "rate must be above 0 and at most 1, not 0.0"),
        ({"weight": 0}, "weight must be above 0, not 0.0"),
        ({"weight": float("inf")}, "weight must be a finite number, not inf"),
        ({"weight": 10**400}, "weight must be a number that a float can hold"),
        ({"spread": [2, 1]}, "spread must rise, from low to high: not [2.0, 1.0]"),
        ({"spread": [-1, 1]}, "spread[0] must be at least 0, not -1.0"),
        ({"out": "."}, "out must end in a name of its own, not be ."),
        ({"out": "a/.."}, "out must end in a name of its own, not be a/.."),
        ({"out": ""}, "out is empty; give a path"),
        ({"out": "a\0b"}, "out must be text without NUL characters"),
        ({"name": ""}, "name must be a name without slashes, not ''"),
        ({"name": "../up"}, "name must be a name without slashes, not '../up'"),
        ({"words": []}, "words must name at least one, not []"),
        ({"many": [1, 0]}, "many[1] must be at least 1, not 0"),
        ({"inner": {"low": 3, "high": 2}}, "inner.low=3 must be below inner.high=2"),
    ],
)
def test_what_is_outside_is_refused_by_its_key(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        build(Outer, {**GOOD, **change})


def test_values_that_disagree_say_so_from_python_too() -> None:
    with pytest.raises(InputError, match=r"^low=3 must be below high=2$"):
        Inner(3, 2)
