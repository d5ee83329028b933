"""From plain values to frozen, checked dataclasses."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from perception.errors import InputError

ConfigT = TypeVar("ConfigT")


def build(schema: type[ConfigT], values: Mapping[str, Any], where: str = "") -> ConfigT:
    """Fill a nested frozen dataclass; an unknown key, a missing one or a wrong type is an error.

    Only a field with a default may be missing: its key is younger than some written files.
    A key that Python reserves has a field with an underscore behind it: `from` fills `from_`.
    """
    hints = get_type_hints(schema)
    members = fields(cast(Any, schema))
    names = {field.name.removesuffix("_"): field.name for field in members}
    for key in values:
        if key not in names:
            raise InputError(f"Unknown key {where}{key}; there are {', '.join(names)}")
    needed = {m.name for m in members if m.default is MISSING and m.default_factory is MISSING}
    missing = [name for name, field in names.items() if name not in values and field in needed]
    if missing:
        raise InputError(f"Missing key {where}{missing[0]}")
    given = {name: field for name, field in names.items() if name in values}
    return schema(**{f: _fit(hints[f], values[n], f"{where}{n}") for n, f in given.items()})


def _fit(kind: Any, value: Any, key: str) -> Any:  # noqa: ANN401
    """Convert one value to the type its field declares."""
    if is_dataclass(kind):
        return build(cast(type, kind), _mapping(value, key), f"{key}.")
    origin, options = get_origin(kind), get_args(kind)
    if origin is Literal:
        if value not in options:
            raise InputError(
                f"{key}={value} is unknown; choose one of {', '.join(map(str, options))}"
            )
        return value
    if origin in (Union, UnionType):
        return _fit_union(options, value, key)
    if origin is tuple:
        return _fit_tuple(options, value, key)
    if origin is dict:
        return {str(k): _fit(options[1], v, f"{key}.{k}") for k, v in _mapping(value, key).items()}
    return _fit_scalar(kind, value, key)


def _fit_union(options: tuple[Any, ...], value: Any, key: str) -> Any:  # noqa: ANN401
    if value is None and NoneType in options:
        return None
    kinds = [option for option in options if option is not NoneType]
    return _fit(kinds[0] if len(kinds) == 1 else _chosen(kinds, value, key), value, key)


def _chosen(schemas: list[Any], value: Any, key: str) -> Any:  # noqa: ANN401
    """Choose among dataclasses by their field `kind`, a literal of the names each goes by."""
    by_kind = {name: s for s in schemas for name in get_args(get_type_hints(s)["kind"])}
    values = _mapping(value, key)
    if "kind" not in values:
        raise InputError(f"Missing key {key}.kind; choose one of {', '.join(by_kind)}")
    if values["kind"] not in by_kind:
        raise InputError(
            f"{key}.kind={values['kind']} is unknown; choose one of {', '.join(by_kind)}"
        )
    return by_kind[values["kind"]]


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
        return float(value)
    if kind in (str, Path) and isinstance(value, str | int | float) and not isinstance(value, bool):
        return kind(str(value))
    if type(value) is not kind:
        wanted = {int: "a whole number", float: "a number", bool: "true or false"}
        raise InputError(f"{key} must be {wanted.get(kind, 'text')}, not {value!r}")
    return value


def _mapping(value: Any, key: str) -> Mapping[str, Any]:  # noqa: ANN401
    if not isinstance(value, Mapping):
        raise InputError(f"{key} must be a group of keys, not {value!r}")
    return value
