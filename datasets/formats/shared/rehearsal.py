"""Every episode is read once before the first is written: what is refused is refused whole."""

from collections.abc import Callable
from typing import Any

from datasets.episode import arrays_of
from datasets.formats.shared.source import Source
from datasets.store.chunk_codecs import StoreFormat, codecs
from perception.errors import InputError


def rehearse(
    source: Source, stored: StoreFormat, check: Callable[[Any], None] | None = None
) -> None:
    """Read all of a source, and refuse what a store could not take.

    Args:
        source: Open to be converted.
        stored: How the store would be written.
        check: Checks what is not recorded clouds, but replayed in a simulator.

    Raises:
        InputError: An episode cannot be read, holds other arrays than the first, or positions too
            far out.
    """
    model: dict[str, Any] | None = None
    for index in range(len(source.lengths)):
        one = source.read(index)
        if check is not None:
            check(one)
            continue
        kept = {name: values.shape[1:] for name, values in arrays_of(one)[1].items()}
        model = kept if model is None else model
        if kept != model:
            raise InputError(f"Episode {index} is {kept}, but the first is {model}")
        try:
            codecs(one.points, stored.error_mm, stored.zarr_format)
        except InputError as error:
            raise InputError(f"Episode {index}: {error}") from error
