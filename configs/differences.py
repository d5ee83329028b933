"""What differs between two nests of values, key by key."""

from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 60  # Characters of a value.


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
