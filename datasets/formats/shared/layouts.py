"""What the episodes of one source must have in common, told from the shapes of their arrays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from perception.errors import InputError

Shape = tuple[int, ...]
REMEDY = "put episodes of one shape into a file of their own"


@dataclass(frozen=True)
class Rules:
    """What is expected of the arrays.

    Attributes:
        steps: The array that has a row for each step.
        tables: Arrays that must be (row, number).
        columns: Arrays that must have one number a row.
        longer: Arrays that have one row more than there are steps.
        remedies: What to do where an array differs; by its name.
    """

    steps: str = "actions"
    tables: frozenset[str] = frozenset({"actions"})
    columns: frozenset[str] = frozenset()
    longer: frozenset[str] = frozenset()
    remedies: Mapping[str, str] = field(default_factory=dict)


def require_alike(file: str, episodes: Mapping[str, Mapping[str, Shape]], rules: Rules) -> None:
    """Refuse episodes that do not fit together, before any of them is read.

    Args:
        file: Its name, for errors.
        episodes: The shape of every array of every episode, by their names.
        rules: What is expected.

    Raises:
        InputError: An episode is empty, its arrays differ in length, or it differs from the first
            in an array or its shape.
    """
    first, model = next(iter(episodes.items()))
    for name, shapes in episodes.items():
        where = f"{file}: {name}"
        for key, shape in shapes.items():
            _check_one(where, key, shape, rules)
        _check_lengths(where, shapes, rules)
        if odd := sorted(set(shapes) ^ set(model)):
            has, lacks = (name, first) if odd[0] in shapes else (first, name)
            raise InputError(f"{file}: {has} has {odd[0]}, {lacks} has none: {REMEDY}")
        for key, shape in shapes.items():
            if shape[1:] != model[key][1:]:
                raise InputError(
                    f"{where}: {key} is {shape}, but {model[key]} in {first}:"
                    f" {rules.remedies.get(key, REMEDY)}"
                )


def _check_one(where: str, key: str, shape: Shape, rules: Rules) -> None:
    if key in rules.tables and len(shape) != 2:
        remedy = f"; reshape it to ({shape[0]}, 1)" if len(shape) == 1 else ""
        raise InputError(f"{where}: {key} is {shape}; (step, number) is expected{remedy}")
    if key in rules.columns and prod(shape[1:]) != 1:
        raise InputError(f"{where}: {key} is {shape}; one number a step is expected")
    if not prod(shape):
        raise InputError(f"{where} holds no step: {key} is {shape}; leave that episode out")


def _check_lengths(where: str, shapes: Mapping[str, Shape], rules: Rules) -> None:
    steps = shapes[rules.steps][0]
    for key, shape in shapes.items():
        expected = steps + (key in rules.longer)
        if shape[0] != expected:
            one_more = ", one more expected" if key in rules.longer else ""
            raise InputError(
                f"{where}: {steps} {rules.steps}, but {shape[0]} of {key} ({shape}){one_more}:"
                " cut them to one length, or leave that episode out"
            )
