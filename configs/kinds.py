"""A choice is a file: `kind: NAME` is the module NAME of a package, with its `Config` and `make`.

What there is to choose is read off the package's folder, so a new file is a new choice. A kind with
a colon, `module:Class`, is a class of somebody else's: its attribute `Config`, if it has one, names
its keys, and it is called as `make` would be.
"""

import importlib
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from perception.errors import InputError

CONFIG = re.compile(r"^(class|from .+ as) Config\b", re.MULTILINE)


@runtime_checkable
class Kind(Protocol):
    """The configuration of a choice; `kind` says which one it is."""

    @property
    def kind(self) -> str:
        """The module's name, or `module:Class`."""


@dataclass(frozen=True)
class OneOf:
    """Says in a field's annotation, `Annotated[Kind, OneOf("package")]`, where its kinds are."""

    package: str


@dataclass(frozen=True)
class Choice:
    """What a module of a kind exports."""

    config: type[Any]
    make: Any  # Called with a configuration and what its package's protocol says.


@dataclass(frozen=True)
class NoKeys:
    """The configuration of a foreign class that has none."""

    kind: str


def kinds(package: str) -> list[str]:
    """Name the choices of a package, without importing them."""
    spec = find_spec(package)
    folders = [] if spec is None else spec.submodule_search_locations or []
    modules = [path for folder in folders for path in Path(folder).glob("*.py")]
    return sorted(p.stem for p in modules if CONFIG.search(p.read_text(encoding="utf-8")))


def find_kind(package: str, kind: str, key: str = "kind") -> Choice:
    """Import a choice of a package by its name, or a foreign one by `module:Class`.

    Raises:
        InputError: There is none of that name; `key` is where the name was given.
    """
    if ":" in kind:
        foreign = import_object(kind, key)
        return Choice(getattr(foreign, "Config", NoKeys), foreign)
    if kind not in kinds(package):
        raise InputError(
            f"{key}={kind} is unknown; choose one of {', '.join(kinds(package))}, or module:Class"
        )
    module = importlib.import_module(f"{package}.{kind}")
    return Choice(module.Config, module.make)


def make_kind(package: str, config: Kind, *given: Any) -> Any:  # noqa: ANN401 (each its own)
    """Make what a configuration describes, out of what its package's protocol gives."""
    return find_kind(package, config.kind).make(config, *given)


def import_object(path: str, key: str) -> Any:  # noqa: ANN401 (whatever it is)
    """Import `module:Class` from wherever Python finds the module.

    Raises:
        InputError: It does not import, or has no such attribute.
    """
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            f"{key}={path} does not import ({error}); it is module:Class, and the module's folder"
            " must be on PYTHONPATH"
        ) from error
