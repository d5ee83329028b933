"""Running out of memory, told in one line with what to lower."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from perception.errors import InputError

CPU_WORDS = ("can't allocate memory", "not enough memory")  # Of Torch's CPU allocator.


@contextmanager
def names_memory(what: str, remedy: str) -> Iterator[None]:
    """Say what was going on when memory ran out, and what to lower.

    Raises:
        InputError: Memory ran out while the block ran.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        of_cpu = any(words in str(error) for words in CPU_WORDS)
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or of_cpu:
            where = "The GPU's memory" if isinstance(error, torch.OutOfMemoryError) else "Memory"
            raise InputError(
                f"{where} ran out while {what}: {remedy}; nothing that was saved is lost"
            ) from error
        raise
