"""A pickle reader that can build arrays and nothing else.

A pickle is a program. This reader allows it seven names: where the file asks for `numpy.ndarray` or
`numpy.dtype`, a plain note of the request is built in its place, and arrays are made from those
notes afterwards. Every other name is refused before it is looked up, so nothing of the file is ever
imported or called.
"""

import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from perception.errors import InputError

PLAIN = re.compile(r"[|<>=]?([biufSU]\d{1,3}|b1|\?)")  # Numbers and text, no objects, no records.


class _Type:
    """A note of a NumPy type: its code, and the byte order that follows it."""

    def __init__(self, code: Any, *_: Any) -> None:  # noqa: ANN401 (whatever the file says)
        if not isinstance(code, str) or not PLAIN.fullmatch(code):
            raise pickle.UnpicklingError(f"arrays of {code!r}")
        self.type = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.type = self.type.newbyteorder(state[1])


class _Array:
    """A note of an array: shape, type and bytes."""

    def __init__(self) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def build(self) -> np.ndarray:
        """Make the array, with memory of its own."""
        _, shape, kind, fortran, raw = self.state
        return _from_bytes(raw, kind, shape, "F" if fortran else "C")


class _Subtype:
    """A note of the class `numpy.ndarray`."""


class _Scalar:
    """A note of a NumPy number."""

    def __init__(self, kind: Any, raw: Any) -> None:  # noqa: ANN401
        self.kind, self.raw = kind, raw

    def build(self) -> Any:  # noqa: ANN401
        """Make the number."""
        return _from_bytes(self.raw, self.kind, (1,), "C")[0]


class _Buffer(_Array):
    """A note of an array as protocol 5 writes it."""

    def __init__(self, raw: Any, kind: Any, shape: Any, order: Any) -> None:  # noqa: ANN401
        self.state = (1, shape, kind, order == "F", raw)


def _array(*_: object) -> _Array:
    return _Array()


def _encoded(text: str, encoding: str) -> bytes:
    """Give the bytes that Python 3 writes as text for older readers."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes encoded as {encoding}")
    return text.encode("latin1")


WORDS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _Subtype,
    ("numpy", "dtype"): _Type,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encoded,
}
for _core in ("numpy.core", "numpy._core"):  # NumPy 2 has moved it.
    WORDS[f"{_core}.multiarray", "_reconstruct"] = _array
    WORDS[f"{_core}.multiarray", "scalar"] = _Scalar
    WORDS[f"{_core}.numeric", "_frombuffer"] = _Buffer


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401
        """Look a word up among those allowed, and only there."""
        if (module, name) not in WORDS:
            raise InputError(
                f"The pickle asks for {module}.{name}; only NumPy arrays, numbers and containers"
                " are read, nothing was run"
            )
        word = WORDS[module, name]

        # A file can set attributes of what it looks up: of this wrapper, which goes with it.
        def call(*arguments: Any) -> Any:  # noqa: ANN401
            return word(*arguments)

        return call


def load_arrays(path: Path) -> Any:  # noqa: ANN401 (whatever the file holds)
    """Read a pickle of arrays, numbers, text and containers.

    Args:
        path: Written by Python 2 or 3.

    Raises:
        InputError: There is no such file, it is damaged, or it asks for anything else, by name.
    """
    if not path.is_file():
        raise InputError(f"There is no file {path}")
    try:
        with path.open("rb") as file:
            return _built(_Reader(file, encoding="latin1").load())
    except InputError as error:
        raise InputError(f"{path.name} is refused. {error}") from error
    except Exception as error:  # A damaged pickle raises nearly anything.
        raise InputError(f"{path.name} is no pickle of arrays: {error}") from error


def _built(value: Any) -> Any:  # noqa: ANN401
    """Replace every note by what it stands for."""
    if isinstance(value, _Array | _Scalar):
        return value.build()
    if isinstance(value, dict):
        return {key: _built(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([_built(item) for item in value])
    return value


def _from_bytes(raw: Any, kind: Any, shape: Any, order: Any) -> np.ndarray:  # noqa: ANN401
    if not isinstance(kind, _Type):
        raise pickle.UnpicklingError("an array without a type")
    data = raw.encode("latin1") if isinstance(raw, str) else bytes(raw)
    return np.frombuffer(data, kind.type).reshape(shape, order=order).copy()
