"""Files that are damaged bit by bit, and disks that are full."""

import random
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from perception.errors import InputError

STATE = {
    "step": 3,
    "planner": {"weight": torch.arange(60.0).view(20, 3)},
    "generator": torch.Generator().manual_seed(0).get_state()[:50],
    "rates": [1, 0.5, torch.arange(4)],
}
FLIPS = 100


def flipped(raw: bytes, within: range) -> Iterator[bytes]:
    """Flip one bit, another each time; of the given bytes."""
    for bit in random.Random(0).sample(range(8 * within.start, 8 * within.stop), FLIPS):
        damaged = bytearray(raw)
        damaged[bit // 8] ^= 1 << bit % 8
        yield bytes(damaged)


def refused(read: Callable[[Path], object], path: Path) -> str:
    """Read what must be refused: give the one line, which names the file."""
    with pytest.raises(InputError) as caught:
        read(path)
    line = str(caught.value)
    assert path.name in line
    assert "\n" not in line
    return line


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file become larger than so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
