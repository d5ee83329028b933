"""Arrays of stores, decoded into one tensor over the steps of all of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from datasets.store.store import EpisodeStore
from perception.errors import InputError


def decode(
    stores: Sequence[EpisodeStore], name: str, memory_map: Path | None = None
) -> Float[Tensor, "step ..."]:
    """Read one array of all stores, episode by episode, and look at every number once.

    Args:
        stores: What it is read from.
        name: The array, under `data`.
        memory_map: A folder for decoded clouds too large for memory; None keeps them in memory.

    Raises:
        InputError: A store lacks it, it differs in shape, or holds NaN or infinity.
    """
    arrays = [store.read(name, slice(0, 1)) for store in stores]
    shapes = {str(store.path): array.shape[1:] for store, array in zip(stores, arrays, strict=True)}
    if len(set(shapes.values())) > 1:
        raise InputError(f"The stores differ in the shape of data/{name}: {shapes}")
    shape = (sum(store.steps for store in stores), *arrays[0].shape[1:])
    if memory_map is not None and name == "point_cloud":
        memory_map.mkdir(parents=True, exist_ok=True)
        target: np.ndarray = np.lib.format.open_memmap(
            memory_map / f"{name}.npy", "w+", np.float32, shape
        )
    else:
        target = np.empty(shape, np.float32)
    row = 0
    for store in stores:
        for start in range(0, store.steps, 1000):
            values = store.read(name, slice(start, start + 1000))
            if not np.isfinite(values).all():
                raise InputError(f"{store.path}: data/{name} holds NaN or infinity after {start}")
            target[row : row + len(values)] = values
            row += len(values)
    return torch.from_numpy(target)
