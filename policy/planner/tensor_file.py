"""Tensors and what is said of them as one safetensors file: whole or not there, and summed up."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, uint8

from configs.files import write_whole
from datasets.behaviours.training_state import naming, not_finite
from perception.errors import InputError

SUM = "sha256"
MEND = "restore it from a copy, or train again"
# What a file's contents can raise; a recursion is a runtime error: of JSON that is too deep.
REFUSED = (
    SafetensorError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError,
    RuntimeError,
)  # fmt: skip


@dataclass(frozen=True)
class Contents:
    """What a file holds: its descriptions, as JSON, and its tensors."""

    metadata: dict[str, str]
    tensors: dict[str, Tensor]


def write_tensors(path: Path, contents: Contents) -> None:
    """Write descriptions and tensors with their SHA-256.

    Raises:
        InputError: A number is not finite; what was there before stays.
        OSError: The disk is full, or the like; what was there before stays, too.
    """
    tensors = {name: t.detach().cpu().contiguous() for name, t in contents.tensors.items()}
    if (name := not_finite(tensors)) is not None:
        raise InputError(
            f"Training diverged: {name} is not finite (NaN or infinite), so {path} was not written."
            " Try a smaller learning rate in another out="
        )
    metadata = {**contents.metadata, SUM: _sum(Contents(contents.metadata, tensors))}
    with naming(path):
        write_whole(path, lambda aside: aside.write_bytes(save(tensors, metadata)))


def read_tensors(path: Path, descriptions: Collection[str]) -> Contents:
    """Read descriptions and tensors, held to their sum; files of before have none.

    Raises:
        ValueError: It is damaged, or a number is not finite.
    """
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    contents, written = Contents(metadata, tensors), metadata.pop(SUM, None)
    # Another name among them may be that of the sum, damaged.
    if not metadata.keys() <= set(descriptions) or written not in (None, _sum(contents)):
        raise ValueError(f"what it holds is not what was written; {MEND}")
    if (name := not_finite(tensors)) is not None:
        raise ValueError(f"its training diverged, {name} is not finite (NaN or infinite); {MEND}")
    return contents


def said_of(error: BaseException) -> str:
    """Say in one line what is wrong with a file's contents."""
    said = " ".join(str(error).split())
    return f"it has no {said}" if isinstance(error, KeyError) else said


def _sum(contents: Contents) -> str:
    """Sum up descriptions and tensors, each by name and, if a tensor, by type and shape."""
    digest = hashlib.sha256(json.dumps(sorted(contents.metadata.items())).encode())
    for name, tensor in sorted(contents.tensors.items()):
        digest.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        digest.update(tensor.flatten().view(uint8).numpy().data)
    return digest.hexdigest()
