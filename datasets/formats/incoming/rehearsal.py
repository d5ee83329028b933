"""Every episode is looked at before the first is written: what is refused is refused whole."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from datasets.episode import arrays_of
from datasets.formats.shared.resimulate import Replayed
from datasets.formats.shared.source import Source
from datasets.store.chunk_codecs import StoreFormat, codecs
from envs.config import EnvConfig
from envs.make import make_simulator
from perception.errors import InputError


def rehearse(
    source: Source,
    stored: StoreFormat,
    name: str,
    check: Callable[[Any], None] | None = None,
) -> None:
    """Read all of a source, if nobody has yet, and refuse what a store could not take.

    Args:
        source: Open to be converted.
        stored: How the store would be written.
        name: What is read, for errors.
        check: Checks what is not recorded clouds, but replayed in a simulator.

    Raises:
        InputError: An episode cannot be read, holds other arrays than the first, or positions too
            far out.
    """
    if source.farthest is not None:
        check_reach(np.array([source.farthest], np.float32), stored, name)
        return
    model: dict[str, Any] | None = None
    for index in range(len(source.lengths)):
        one = source.read(index)
        if check is not None:
            check(one)
            continue
        kept = {name: values.shape[1:] for name, values in arrays_of(one)[1].items()}
        model = kept if model is None else model
        if kept != model:
            raise InputError(f"{name}: episode {index} is {kept}, but the first is {model}")
        check_reach(one.points[..., :3], stored, f"{name}, episode {index}")


def make_check(env: EnvConfig) -> Callable[[Replayed], None]:
    """Prepare to check episodes that are replayed, before the first of them is."""
    simulator = make_simulator(env)
    return lambda job: job.check(simulator, env.task)


def check_reach(positions: Float[np.ndarray, "..."], stored: StoreFormat, where: str) -> None:
    """Refuse positions that do not fit into a store's integers.

    Args:
        positions: Coordinates, in metres.
        stored: How the store is written.
        where: Whose points, for the error.

    Raises:
        InputError: They are too far out for the error that was asked for.
    """
    try:
        codecs(positions, stored.error_mm, stored.zarr_format)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
