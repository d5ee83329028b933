"""What differs between two nests of values, key by key."""

from collections.abc import Iterator, Mapping
from typing import Any


def differences(
    there: Mapping[str, Any], here: Mapping[str, Any], prefix: str = ""
) -> Iterator[str]:
    """List what differs between two nests of dictionaries, as `key: there -> here`."""
    for key in sorted(there.keys() | here.keys(), key=str):
        old, new = there.get(key), here.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key}: {old} -> {new}"
