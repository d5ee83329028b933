"""The one error a user is meant to see: what came, what exists, what to do."""

import importlib
from typing import Any


class InputError(ValueError):
    """Something from outside (an option, a file, a machine) is not usable; scripts exit with 2."""


def from_extra(name: str, *, extra: str) -> Any:  # noqa: ANN401 (not always there to be typed)
    """Import a package that an extra of this project brings.

    Raises:
        InputError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise InputError(f"{package} is missing; run: pip install -e '.[{extra}]'") from error
