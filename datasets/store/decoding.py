"""Arrays of stores, decoded into one tensor over the steps of all of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from configs.files import write_text_whole, write_whole
from datasets.store.store import EpisodeStore
from perception.errors import InputError

STEPS = 10_000  # Decoded at a time: a shard of the usual size is read once.


def decode(
    stores: Sequence[EpisodeStore], name: str, memory_map: Path | None = None
) -> Float[Tensor, "step ..."]:
    """Read one array of all stores, episode by episode, and look at every number once.

    Args:
        stores: What it is read from.
        name: The array, under `data`.
        memory_map: A folder for what is too large for memory: it is decoded into a file there, and
            read from it as it is needed, also the next time. None keeps it in memory.

    Raises:
        InputError: A store lacks it, it differs in shape, or holds NaN or infinity.
    """
    arrays = [store.read(name, slice(0, 1)) for store in stores]
    shapes = {str(store.path): array.shape[1:] for store, array in zip(stores, arrays, strict=True)}
    if len(set(shapes.values())) > 1:
        raise InputError(f"The stores differ in the shape of data/{name}: {shapes}")
    shape = (sum(store.steps for store in stores), *arrays[0].shape[1:])
    if memory_map is not None:
        return _mapped(stores, name, memory_map, shape)
    target = np.empty(shape, np.float32)
    _fill(target, stores, name)
    return torch.from_numpy(target)


def _mapped(
    stores: Sequence[EpisodeStore], name: str, folder: Path, shape: tuple[int, ...]
) -> Float[Tensor, "step ..."]:
    """Map the file that holds an array, decoded anew where it is of other stores than these."""
    file, record = folder / f"{name}.npy", folder / f"{name}.json"
    of = json.dumps([version_of(store, name) for store in stores])
    if not (file.exists() and record.exists() and record.read_text(encoding="utf-8") == of):
        record.unlink(missing_ok=True)  # Until the new file is whole, there is none.

        def write(aside: Path) -> None:
            target = np.lib.format.open_memmap(aside, "w+", np.float32, shape)
            _fill(target, stores, name)
            target.flush()

        write_whole(file, write)
        write_text_whole(record, of)
    # Copies on write: nobody writes, but Torch knows no tensors that cannot be written.
    return torch.from_numpy(np.lib.format.open_memmap(file, "c"))


def version_of(store: EpisodeStore, name: str) -> dict[str, Any]:
    """Say which array of which store it is, and when it was last written."""
    folder = store.path / "data" / name
    described = [folder / file for file in (".zarray", "zarr.json") if (folder / file).exists()]
    written = [file.stat().st_mtime_ns for file in described]
    return {"path": str(store.path.resolve()), "written": written, **store.fingerprint}


def _fill(target: np.ndarray, stores: Sequence[EpisodeStore], name: str) -> None:
    row = 0
    for store in stores:
        for start in range(0, store.steps, STEPS):
            values = store.read(name, slice(start, start + STEPS))
            if not np.isfinite(values).all():
                raise InputError(f"{store.path}: data/{name} holds NaN or infinity after {start}")
            target[row : row + len(values)] = values
            row += len(values)
