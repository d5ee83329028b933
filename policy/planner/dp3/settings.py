"""The configuration that a checkpoint of DP3 brings: OmegaConf's objects, read by their state."""

import re
from typing import Any

from policy.planner.dp3.archive import Note

ELSEWHERE = re.compile(r"\$\{([\w.]+)\}")  # The value of another key.
JUMPS = 8


class Settings:
    """Looks keys up, from the outermost on.

    Args:
        root: A group of OmegaConf's, or a plain one.
    """

    def __init__(self, root: object) -> None:
        self._root = root

    def value(self, key: str, default: Any = None, *, jumps: int = JUMPS) -> Any:  # noqa: ANN401
        """Give the value of `outer.inner`, or of the key that it refers to.

        Raises:
            ValueError: There is none and no default, or the keys refer to each other in a circle.
        """
        at: Any = self._root
        for name in key.split("."):
            at = _inside(at)
            at = at.get(name) if isinstance(at, dict) else None
        found = _inside(at)
        if isinstance(found, str) and (other := ELSEWHERE.fullmatch(found)):
            if not jumps:
                raise ValueError(f"its configuration's {key} refers to itself")
            return self.value(other[1], default, jumps=jumps - 1)
        found = default if found is None else found
        if found is None:
            raise ValueError(f"its configuration has no {key}")
        return found

    def must_be(self, key: str, wanted: object, default: Any = None) -> None:  # noqa: ANN401
        """Refuse another value than the one that is implemented here.

        Raises:
            ValueError: It is another.
        """
        if (found := self.value(key, default)) != wanted:
            raise ValueError(f"its {key} is {str(found)[:40]!r}; only {wanted!r} is read")

    def whole(self, key: str, default: int | None = None) -> int:
        """Give a whole number.

        Raises:
            ValueError: It is none.
        """
        found = self.value(key, default)
        if type(found) is not int:
            raise ValueError(f"its {key} is {str(found)[:40]!r}, no whole number")
        return found


def _inside(value: Any) -> Any:  # noqa: ANN401
    """Give the content of an object of OmegaConf's; of others, themselves."""
    state = value.state if isinstance(value, Note) else None
    if not isinstance(state, dict):
        return None if isinstance(value, Note) else value
    return state.get("_content", state.get("_val"))
