"""From plain values to frozen, checked dataclasses, and what differs between two nests of them."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from configs.kinds import OneOf, find_kind, kinds
from configs.ranges import Check, KeysDisagreeError
from perception.errors import InputError

ConfigT = TypeVar("ConfigT")
LONGEST = 60  # Characters of a value.


@dataclass(frozen=True)
class Inline:
    """Says in a field's annotation that a dataclass takes its keys from those around it."""


def build(schema: type[ConfigT], values: Mapping[str, Any], where: str = "") -> ConfigT:
    """Fill a nested frozen dataclass; an unknown key, a missing one or a wrong type is an error.

    Only a field with a default may be missing: its key is younger than some written files.
    A key that Python reserves has a field with an underscore behind it: `from` fills `from_`.
    """
    known = keys(schema)
    for key in values:
        if key not in known:
            raise InputError(f"Unknown key {where}{key}; there are {', '.join(known)}")
    hints = get_type_hints(schema, include_extras=True)
    filled = {}
    for field in fields(cast(Any, schema)):
        name, hint = field.name.removesuffix("_"), hints[field.name]
        if _is_inline(hint):
            inner = get_args(hint)[0]
            its_own = {key: value for key, value in values.items() if key in keys(inner)}
            filled[field.name] = build(inner, its_own, where)
        elif name in values:
            filled[field.name] = _fit(hint, values[name], f"{where}{name}")
        elif _is_needed(field):
            raise InputError(f"Missing key {where}{name}")
    try:
        return schema(**filled)
    except KeysDisagreeError as error:
        raise error.below(where) from error


def keys(schema: type[Any]) -> list[str]:
    """Name the keys that fill a dataclass, those of inlined ones among them."""
    hints = get_type_hints(schema, include_extras=True)
    names: list[str] = []
    for field in fields(schema):
        hint = hints[field.name]
        own = [field.name.removesuffix("_")]
        names += keys(get_args(hint)[0]) if _is_inline(hint) else own
    return names


def _is_inline(hint: Any) -> bool:  # noqa: ANN401
    return get_origin(hint) is Annotated and any(isinstance(a, Inline) for a in get_args(hint))


def _is_needed(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _fit(kind: Any, value: Any, key: str) -> Any:  # noqa: ANN401
    """Convert one value to the type its field declares."""
    if is_dataclass(kind):
        return build(cast(type, kind), mapping(value, key), f"{key}.")
    fit = FITS.get(get_origin(kind))
    return _fit_scalar(kind, value, key) if fit is None else fit(get_args(kind), value, key)


def _fit_annotated(options: tuple[Any, ...], value: Any, key: str) -> Any:  # noqa: ANN401
    packages = [note.package for note in options[1:] if isinstance(note, OneOf)]
    if packages:
        return _fit_kind(packages[0], value, key)
    fitted = _fit(options[0], value, key)
    for note in options[1:]:
        if isinstance(note, Check):
            note.check(fitted, key)
    return fitted


def _fit_kind(package: str, value: Any, key: str) -> Any:  # noqa: ANN401
    """Fill the configuration of the module that `kind` names; a group's own name serves too."""
    values = {**mapping(value, key)}
    if "kind" not in values:
        name = key.rpartition(".")[2]
        if name not in kinds(package):
            raise InputError(f"Missing key {key}.kind; choose one of {', '.join(kinds(package))}")
        values["kind"] = name
    return build(find_kind(package, str(values["kind"]), f"{key}.kind").config, values, f"{key}.")


def _fit_literal(options: tuple[Any, ...], value: Any, key: str) -> Any:  # noqa: ANN401
    if not any(type(value) is type(option) and value == option for option in options):
        raise InputError(f"{key}={value} is unknown; choose one of {', '.join(map(str, options))}")
    return value


def _fit_union(options: tuple[Any, ...], value: Any, key: str) -> Any:  # noqa: ANN401
    """Fit `X | None`, the only union there is: of several dataclasses, `OneOf` chooses one."""
    if value is None:
        return None
    (kind,) = (option for option in options if option is not NoneType)
    return _fit(kind, value, key)


def _fit_tuple(options: tuple[Any, ...], value: Any, key: str) -> tuple[Any, ...]:  # noqa: ANN401
    items = value if isinstance(value, list | tuple) else [value]
    if options[-1] is Ellipsis:
        return tuple(_fit(options[0], item, f"{key}[{i}]") for i, item in enumerate(items))
    if len(items) != len(options):
        raise InputError(f"{key} takes {len(options)} values, not {len(items)}: {items}")
    pairs = zip(options, items, strict=True)
    return tuple(_fit(kind, item, f"{key}[{i}]") for i, (kind, item) in enumerate(pairs))


def _fit_scalar(kind: type, value: Any, key: str) -> Any:  # noqa: ANN401
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return _float(value, key)
    if kind in (str, Path) and isinstance(value, str | int | float) and not isinstance(value, bool):
        return _text(kind, str(value), key)
    if type(value) is not kind:
        wanted = {int: "a whole number", float: "a number", bool: "true or false"}
        raise InputError(f"{key} must be {wanted.get(kind, 'text')}, not {value!r}")
    return value


def _float(value: int, key: str) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise InputError(f"{key} must be a number that a float can hold") from error


def _text(kind: type, text: str, key: str) -> Any:  # noqa: ANN401
    if "\0" in text:
        raise InputError(f"{key} must be text without NUL characters, not {text!r}")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InputError(f"{key} must be UTF-8, not {os.fsencode(text)!r}")
    if kind is Path and not text:
        raise InputError(f"{key} is empty; give a path")
    return _home(text, key) if kind is Path else text


def _home(text: str, key: str) -> Path:
    """Make a path; `~` is the home folder, which a shell does not put behind `key=`."""
    if text.partition("/")[0] != "~":
        return Path(text)
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InputError(f"{key}={text}: there is no home folder here") from error


def _fit_dict(options: tuple[Any, ...], value: Any, key: str) -> Any:  # noqa: ANN401
    pairs = mapping(value, key).items()
    return {str(name): _fit(options[1], item, f"{key}.{name}") for name, item in pairs}


def mapping(value: Any, key: str) -> Mapping[str, Any]:  # noqa: ANN401
    """Take a group of keys as it is, and refuse anything else by its key's name."""
    if not isinstance(value, Mapping):
        raise InputError(f"{key} must be a group of keys, not {value!r}")
    return value


FITS: dict[Any, Callable[[tuple[Any, ...], Any, str], Any]] = {
    Annotated: _fit_annotated,
    Literal: _fit_literal,
    Union: _fit_union,
    UnionType: _fit_union,
    tuple: _fit_tuple,
    dict: _fit_dict,
}


def differences(
    there: Mapping[str, Any], here: Mapping[str, Any], prefix: str = ""
) -> Iterator[str]:
    """List what differs between two nests of dictionaries, as `key: there -> here`."""
    for key in sorted(there.keys() | here.keys(), key=str):
        old, new = there.get(key), here.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key}: {_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:  # noqa: ANN401
    """Write a value in a few words; of a long one, its beginning."""
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
