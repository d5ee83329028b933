"""What training needs to go on, on disk: whole files or none, and nothing that can run code.

A file is a zip archive of tensors and plain values, as `torch.save` writes it. Its comment holds
the SHA-256 of all before it; archives of before have none, and are held to their own CRC-32.
"""

import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch
from torch import Tensor

from configs.files import write_whole
from perception.errors import InputError

MEND = "restore it from a copy, or delete it and begin again"
MARK = b"sha256:"
COMMENT = len(MARK) + 2 * hashlib.sha256().digest_size
LENGTH = COMMENT.to_bytes(2, "little")  # The last field of an archive, before its comment.
END, END_SIZE = b"PK\x05\x06", 22  # The record that ends an archive without a comment.
PIECE = 1 << 20
LONGEST = 200  # Letters of an error of Torch's.


def save_state(state: Mapping[str, Any], path: Path) -> None:
    """Write what training needs to go on: tensors and plain values only.

    Raises:
        InputError: A number is not finite; what was there before stays.
        OSError: The disk is full, or the like; what was there before stays, too.
    """
    if (name := not_finite(state)) is not None:
        raise InputError(
            f"Training diverged: {name} is not finite (NaN or infinite), so {path} was not written"
            f"{', and is as before' if path.exists() else ''}. Try a smaller learning rate in"
            " another out="
        )
    with naming(path):
        write_whole(path, lambda aside: _write(state, aside))


def load_state(path: Path) -> dict[str, Any] | None:
    """Read a training state, or None where there is none yet.

    Raises:
        InputError: The file is not a training state, or is damaged.
    """
    if not path.exists():
        return None
    _check(path)
    try:
        state = dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # Torch tells damage in many ways, some with advice that harms.
        raise InputError(
            f"{path} is not a training state, or is damaged ({type(error).__name__}): {MEND}"
        ) from error
    if (name := not_finite(state)) is not None:
        raise InputError(f"{path} holds a training that diverged: {name} is not finite; {MEND}")
    return state


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """Take what a state holds; one that lacks something, or has other shapes, is refused by name.

    Raises:
        InputError: It does not fit.
    """
    try:
        yield
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        said = " ".join(str(error).split())[:LONGEST]
        what = f"it has no {said}" if isinstance(error, KeyError) else said
        raise InputError(f"{path} does not fit this run ({what}): {MEND}") from error


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Write a file: what the machine refuses names the file, which a full disk does not.

    Raises:
        OSError: It could not be written.
    """
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def not_finite(values: Any, name: str = "") -> str | None:  # noqa: ANN401 (nested plain values)
    """Name the first tensor or number of nested values that is not finite; None if all are."""
    if isinstance(values, Mapping):
        items = [(str(key), value) for key, value in values.items()]
    elif isinstance(values, list | tuple):
        items = [(str(place), value) for place, value in enumerate(values)]
    elif isinstance(values, float | Tensor):
        return None if bool(torch.as_tensor(values).isfinite().all()) else name or "a number"
    else:
        return None
    broken = (not_finite(value, f"{name}.{key}" if name else key) for key, value in items)
    return next((name for name in broken if name is not None), None)


class _Summed:
    """A file to write to that sums up what it is given.

    An error waits for `close`: raised into Torch's writer it would end the process.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest = file, hashlib.sha256()
        self.error: OSError | None = None

    def write(self, data: bytes | memoryview) -> int:
        """Write, unless that failed before."""
        self.digest.update(data)
        if self.error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self.error = error
        return len(data)

    def flush(self) -> None:
        """Torch asks for it; the file is flushed where it is closed."""


def _write(state: Mapping[str, Any], aside: Path) -> None:
    """Write an archive, and the sum of it as its comment."""
    with aside.open("wb") as file:
        summed = _Summed(file)
        torch.save(dict(state), cast(BinaryIO, summed))  # It asks for `write` and `flush`.
        if summed.error is not None:
            raise summed.error
        file.seek(-len(LENGTH), 2)
        file.write(LENGTH + MARK + summed.digest.hexdigest().encode())


def _check(path: Path) -> None:
    """Hold an archive to its sum.

    Raises:
        InputError: They differ, or it is no archive.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - END_SIZE - COMMENT))
        tail = file.read()
    if tail[-END_SIZE:].startswith(END):
        whole = _crc_fits(path)
    elif tail.startswith(END) and tail[END_SIZE - 2 :].startswith(LENGTH + MARK):
        whole = _sum(path, size - COMMENT - len(LENGTH)).encode() == tail[END_SIZE + len(MARK) :]
    else:
        whole = False
    if not whole:
        raise InputError(f"{path} is not a training state, or is damaged: {MEND}")


def _sum(path: Path, size: int) -> str:
    """Sum up the first bytes of a file, and the length of a comment that was not there yet."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for start in range(0, size, PIECE):
            digest.update(file.read(min(PIECE, size - start)))
    digest.update(bytes(len(LENGTH)))
    return digest.hexdigest()


def _crc_fits(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError):
        return False
