"""What a command line says, key by key: text as the shell gave it, everything else as Hydra reads.

Text and paths never reach Hydra's grammar, which would read `1e3` as a number and refuse `a=b`. A
token goes in their place, and the text comes back once everything is composed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from configs.command.schema import KindOf, hint_at, is_text, is_texts, takes_none
from perception.errors import InputError

PARTS = re.compile(r"(\+\+|\+|~)?([^=]*)(?:(=)(.*))?", re.DOTALL)
TOKEN = re.compile(r"_verbatim_(\d+)_")
QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
ITEM = re.compile(r"""\s*('[^']*'|"[^"]*"|[^,]*?)\s*(?:,|$)""", re.DOTALL)


@dataclass(frozen=True)
class Override:
    """One `key=value` of a command line.

    Attributes:
        prefix: Hydra's sign before the key: `+`, `++`, `~` or none.
        key: Dotted.
        value: As the shell gave it; None without an equals sign.
    """

    prefix: str
    key: str
    value: str | None

    @classmethod
    def read(cls, text: str) -> "Override":
        """Take one argument apart.

        Raises:
            InputError: It is no `key=value`.
        """
        match = PARTS.fullmatch(text)
        assert match is not None  # Every text has these parts.
        prefix, key, equals, value = match.groups()
        if not key or (equals is None and prefix != "~"):
            raise InputError(f"{text!r} is no key=value; --help lists the keys")
        return cls(prefix or "", key, None if equals is None else value)


@dataclass
class Texts:
    """The texts of a command line, and the tokens that stand in their place."""

    kept: list[str] = field(default_factory=list)

    def token(self, text: str) -> str:
        """Keep a text; give what Hydra gets instead."""
        self.kept.append(text)
        return f"_verbatim_{len(self.kept) - 1}_"

    def put_back(self, values: Any) -> Any:  # noqa: ANN401
        """Put the texts back into a nest of values."""
        if isinstance(values, str):
            return TOKEN.sub(self._kept, values)
        if isinstance(values, Mapping):
            return {key: self.put_back(value) for key, value in values.items()}
        if isinstance(values, list):
            return [self.put_back(value) for value in values]
        return values

    def _kept(self, match: re.Match[str]) -> str:
        number = int(match[1])
        return self.kept[number] if number < len(self.kept) else match[0]


def for_hydra(
    schema: type[Any], given: Sequence[Override], texts: Texts, kind_of: KindOf, *, sweep: bool
) -> list[str]:
    """Give the keys and values of a command line as Hydra takes them; groups are not among them.

    Args:
        schema: The dataclass that they fill.
        given: What the command says.
        texts: Keeps what Hydra must not read.
        kind_of: See `hint_at`.
        sweep: Whether a value may be several, for Hydra's `--multirun`.

    Raises:
        InputError: There is no such key.
    """
    said = []
    for override in given:
        hint = hint_at(schema, override.key, kind_of)
        if override.prefix == "~" or override.value is None:
            said.append(f"~{override.key}")
        else:
            value = _value(override, override.value, hint, texts, sweep=sweep)
            said.append(f"++{override.key}={value}")
    return said


def _value(override: Override, value: str, hint: Any, texts: Texts, *, sweep: bool) -> str:  # noqa: ANN401
    if value == "null" and takes_none(hint):
        return value
    textual = not (override.key.endswith(".kind") or (sweep and "," in value))
    if textual and is_text(hint):
        return texts.token(unquoted(value))
    if textual and is_texts(hint):
        return "[" + ",".join(texts.token(item) for item in items(value)) + "]"
    return value if _reads(f"{override.key}={value}", sweep=sweep) else texts.token(value)


def unquoted(value: str) -> str:
    """Give a text without the quotes around all of it, which Hydra would take off too."""
    return value[1:-1] if QUOTED.fullmatch(value) else value


def items(value: str) -> list[str]:
    """Take a list `[a,b]` apart; what is no list is its only item, and quotes keep a comma."""
    if not (value.startswith("[") and value.endswith("]")):
        return [unquoted(value)]
    inside = value[1:-1]
    if not inside.strip():
        return []
    return [unquoted(match[1]) for match in ITEM.finditer(inside) if match.end() > match.start()]


def _reads(text: str, *, sweep: bool) -> bool:
    """Tell whether Hydra reads a value, as one value where only one may be."""
    try:
        read = OverridesParser.create().parse_override(text)
    except (HydraException, RecursionError, ValueError):
        return False
    return sweep or not read.is_sweep_override()
