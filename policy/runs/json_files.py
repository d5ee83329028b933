"""JSON as the standard has it: no NaN, no Infinity, whole files, damage told apart from absence."""

import json
import re
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from configs.files import write_text_whole
from perception.errors import InputError

# A list that holds neither text nor lists; no text of JSON holds the break that it begins with.
NUMBERS = re.compile(r"\[\n[^\[\]{}\"]*\]")


def as_json_line(value: Any) -> str:  # noqa: ANN401
    """Give a value as one line of JSON; numbers that are not finite become null."""
    return json.dumps(_finite(value), allow_nan=False)


def write_json(path: Path, value: Any, *, rows: bool = False) -> None:  # noqa: ANN401
    """Write a value wholly or not at all; numbers that are not finite become null.

    Args:
        path: The file.
        value: What to write.
        rows: Whether a list of numbers stands in one line.
    """
    text = json.dumps(_finite(value), indent=2, allow_nan=False)
    if rows:
        text = NUMBERS.sub(lambda found: f"[{' '.join(found[0][1:-1].split())}]", text)
    write_text_whole(path, f"{text}\n")


def read_json(path: Path) -> Any:  # noqa: ANN401
    """Read a JSON file.

    Raises:
        InputError: It is empty, cut off or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path} is no JSON, or is cut off ({error}): restore it from a copy, or delete it and"
            " run again what wrote it"
        ) from None


def _finite(value: Any) -> Any:  # noqa: ANN401
    """Put None where JSON knows no number."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
