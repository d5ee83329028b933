"""What `torch.save` wrote, read without importing or calling anything that it names.

Such a file is a zip archive: a pickle, and the numbers of each tensor beside it. A pickle is a
program; here, all that it may build are containers, numbers, text and notes. A tensor is a note of
where its numbers lie. Everything else, whatever its name, is a note of its state and does nothing.
"""

import io
import pickle
import zipfile
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

TYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8"}
START = b"PK\x03\x04"


@dataclass(frozen=True)
class TensorNote:
    """Where a tensor's numbers lie: in which file of the archive, and how."""

    type: str
    file: str
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class Note:
    """Anything else: only its state is kept."""

    def __init__(self, *_: object, **__: object) -> None:
        self.state: Any = None

    def __new__(cls, *_: object, **__: object) -> "Note":
        """Make a note, whatever the class it stands for would be given."""
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        self.state = state

    def __setitem__(self, key: object, value: object) -> None:
        """Take an item, as a container would."""

    def append(self, value: object) -> None:
        """Take a value, as a list would."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401
        """Give a note's class for any name, without looking it up.

        Each time another object: a file can set attributes of what it gets.
        """
        if module == "torch" and name in TYPES:
            return TYPES[name]
        if (module, name) == ("collections", "OrderedDict"):
            return type("Ordered", (dict,), {})
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return partial(_tensor)
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return partial(_parameter)
        return type("Named", (Note,), {})

    def persistent_load(self, pid: Any) -> Any:  # noqa: ANN401
        """Note a tensor's numbers: their type, and their file."""
        return pid[1], str(pid[2])


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: object) -> TensorNote:  # noqa: ANN401
    kind, file = storage
    return TensorNote(kind, file, offset, size, stride)


def _parameter(data: Any, *_: object) -> Any:  # noqa: ANN401
    return data


class Archive:
    """An open archive.

    Args:
        path: The file.

    Raises:
        ValueError: It is none.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise ValueError(f"its archive is damaged ({error})") from error
        pickles = [name for name in self._zip.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError("it is no archive of Torch")
        self._root = pickles[0].removesuffix("data.pkl")

    def close(self) -> None:
        """Close the file."""
        self._zip.close()

    def contents(self) -> Any:  # noqa: ANN401 (whatever the file holds)
        """Read everything but the numbers of tensors.

        Raises:
            ValueError: It is damaged.
        """
        try:
            return _Reader(io.BytesIO(self._read("data.pkl"))).load()
        except Exception as error:  # A damaged pickle raises nearly anything.
            raise ValueError(f"its pickle is damaged ({type(error).__name__}: {error})") from error

    def tensor(self, note: TensorNote) -> Tensor:
        """Read a tensor.

        Raises:
            ValueError: It is not where its note says.
        """
        numbers = np.frombuffer(self._read(f"data/{note.file}"), note.type)
        last = note.offset + sum(
            (n - 1) * step for n, step in zip(note.size, note.stride, strict=True)
        )
        least, count = min((note.offset, *note.size, *note.stride)), prod(note.size)
        if least < 0 or count > len(numbers) or (count and last >= len(numbers)):
            raise ValueError(f"a tensor of shape {list(note.size)} is not all there")
        values = torch.from_numpy(numbers.copy())
        return values.as_strided(note.size, note.stride, note.offset).contiguous()

    def _read(self, name: str) -> bytes:
        """Read a file of the archive, held to its CRC-32.

        Raises:
            ValueError: It is missing, damaged, or compressed, which Torch never does.
        """
        try:
            entry = self._zip.getinfo(self._root + name)
            if entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{name} is compressed")
            return self._zip.read(entry)
        except (KeyError, zipfile.BadZipFile, RuntimeError, EOFError) as error:
            raise ValueError(f"{name} is missing or damaged ({error})") from error


def is_archive(path: Path) -> bool:
    """Tell whether a file is a zip archive, as Torch's are."""
    with path.open("rb") as file:
        return file.read(len(START)) == START


def as_group(value: object, name: str) -> dict[Any, Any]:
    """Take a group of keys as it is.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, dict):
        raise ValueError(f"it has no group {name}")
    return value
