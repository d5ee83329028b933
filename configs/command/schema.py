"""What a key of the command line is: found in the nest of dataclasses that it fills."""

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from configs.build import Inline
from configs.kinds import OneOf, find_kind
from perception.errors import InputError

NOT_SAID = ("overrides",)  # Filled by the command line itself.

KindOf = Callable[[str], str | None]


@dataclass(frozen=True)
class Leaf:
    """A key, and the annotation of what it takes."""

    key: str
    hint: Any


def hints_of(schema: type[Any]) -> dict[str, Any]:
    """Give the annotation of each key of a dataclass, those of inlined ones among them."""
    hints = get_type_hints(schema, include_extras=True)
    found: dict[str, Any] = {}
    for field in fields(schema):
        hint = hints[field.name]
        if any(isinstance(note, Inline) for note in notes_of(hint)):
            found |= hints_of(get_args(hint)[0])
        else:
            found[field.name.removesuffix("_")] = hint
    return {key: hint for key, hint in found.items() if key not in NOT_SAID}


def notes_of(hint: Any) -> tuple[Any, ...]:  # noqa: ANN401
    """Give what stands beside the type in an annotation, `X | None` among them."""
    bare = _without_none(hint)
    return get_args(bare)[1:] if get_origin(bare) is Annotated else ()


def type_of(hint: Any) -> Any:  # noqa: ANN401
    """Give the type of an annotation, without None and notes."""
    bare = _without_none(hint)
    return type_of(get_args(bare)[0]) if get_origin(bare) is Annotated else bare


def takes_none(hint: Any) -> bool:  # noqa: ANN401
    """Tell whether `null` is a value of it."""
    return get_origin(hint) in (Union, UnionType) and NoneType in get_args(hint)


def _without_none(hint: Any) -> Any:  # noqa: ANN401
    if not takes_none(hint):
        return hint
    (kind,) = (option for option in get_args(hint) if option is not NoneType)
    return kind


def package_of(hint: Any) -> str | None:  # noqa: ANN401
    """Name the package whose kinds a key chooses among; None where it chooses none."""
    packages = [note.package for note in notes_of(hint) if isinstance(note, OneOf)]
    return packages[0] if packages else None


def is_text(hint: Any) -> bool:  # noqa: ANN401
    """Tell whether a key takes text or a path."""
    return type_of(hint) in (str, Path)


def is_texts(hint: Any) -> bool:  # noqa: ANN401
    """Tell whether a key takes several of them."""
    kind = type_of(hint)
    return get_origin(kind) is tuple and all(is_text(o) for o in get_args(kind) if o is not ...)


def hint_at(schema: type[Any], key: str, kind_of: KindOf) -> Any:  # noqa: ANN401
    """Find the annotation of a dotted key.

    Args:
        schema: The dataclass that the command fills.
        key: From its top.
        kind_of: Says which kind is chosen at a key that chooses one.

    Raises:
        InputError: There is no such key; the text says which there are.
    """
    hint: Any = schema
    where = ""
    for part in key.split("."):
        _check_own(schema, hint, where, key, kind_of)
        below = _below(hint, where, kind_of)
        if below is not None and part not in below and ... in below:
            below = {part: below[...]}
        if below is None or part not in below:
            raise InputError(_unknown(schema, key, below, kind_of))
        hint, where = below[part], f"{where}.{part}".lstrip(".")
    return hint


def _check_own(schema: type[Any], hint: Any, where: str, key: str, kind_of: KindOf) -> None:  # noqa: ANN401
    """Refuse a key of a choice that is taken from another key: `planner.denoiser` is `denoiser`.

    Raises:
        InputError: What to give in its place.
    """
    name = where.rpartition(".")[2]
    taken = package_of(hint) is not None and name != where and name in hints_of(schema)
    if taken and kind_of(where) is None:
        instead = f"{name}{key.removeprefix(where)}"
        raise InputError(f"{where} is what {name} is: give {instead}= in place of {key}=")


def _below(hint: Any, where: str, kind_of: KindOf) -> dict[Any, Any] | None:  # noqa: ANN401
    """Give what is below an annotation, by key (of a dictionary, by an ellipsis)."""
    package = package_of(hint)
    if package is not None:
        kind = kind_of(where) or where.rpartition(".")[2]
        return hints_of(find_kind(package, kind, f"{where}.kind").config)
    kind = type_of(hint)
    if is_dataclass(kind):
        return hints_of(kind if isinstance(kind, type) else type(kind))
    if get_origin(kind) is dict:
        return {...: get_args(kind)[1]}
    return None


def _unknown(
    schema: type[Any],
    key: str,
    below: dict[Any, Any] | None,
    kind_of: KindOf,
) -> str:
    there = "no keys below" if below is None else ", ".join(map(str, below))
    text = f"Unknown key {key}; there are {there}"
    near = nearest(key, [leaf.key for leaf in leaves(schema, kind_of)])
    return f"{text}; did you mean {near}?" if near else text


def nearest(word: str, words: list[str]) -> str | None:
    """Give the word that is most like one that was not found, if any is like it."""
    ends = [other for other in words if other.rpartition(".")[2] == word.rpartition(".")[2]]
    close = ends if len(ends) == 1 else difflib.get_close_matches(word, words, 1, 0.75)
    return close[0] if close else None


def leaves(schema: Any, kind_of: KindOf, where: str = "") -> Iterator[Leaf]:  # noqa: ANN401
    """List the keys below a dataclass that take a value, with the kinds that are chosen now."""
    for key, hint in (_below(schema, where, kind_of) or {}).items():
        if key is ...:
            continue
        whole = f"{where}.{key}".lstrip(".")
        package = package_of(hint)
        if package is not None and kind_of(whole) is None:
            yield Leaf(whole, hint)
        elif package is not None or is_dataclass(type_of(hint)):
            yield from leaves(hint, kind_of, whole)
        else:
            yield Leaf(whole, hint)


def value_hint(hint: Any) -> Any:  # noqa: ANN401
    """Give the annotation of a dictionary's values; None where it is of no dictionary."""
    kind = type_of(hint)
    return get_args(kind)[1] if get_origin(kind) is dict else None


def choices(schema: Any, kind_of: KindOf) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    """List the keys that choose a kind, each with the package of its kinds."""
    for key, hint in (_below(schema, "", kind_of) or {}).items():
        yield from _choices(hint, key, kind_of)


def _choices(hint: Any, where: str, kind_of: KindOf) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    package = package_of(hint)
    if package is not None:
        yield where, package
    if package is None or kind_of(where) is not None:
        for key, inner in (_below(hint, where, kind_of) or {}).items():
            name = "<name>" if key is ... else key
            yield from _choices(inner, f"{where}.{name}", kind_of)


def keys_of_kind(package: str, kind: str) -> list[str]:
    """Name the keys that a kind of a package takes, dotted, `kind` left out."""
    config = find_kind(package, kind).config
    return [leaf.key for leaf in leaves(config, lambda _: None) if leaf.key != "kind"]
