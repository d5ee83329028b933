"""What is done to a file: one bit, a cut, or a block of zeros, drawn by a seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = 512


@dataclass(frozen=True)
class Damage:
    """One change of one file.

    Attributes:
        file: From the root of what is damaged.
        how: `bit`, `cut` or `zeros`.
        at: Which bit, how many bytes stay, or where the block begins.
    """

    file: Path
    how: str
    at: int

    def __str__(self) -> str:
        return f"{self.file} {self.how} {self.at}"

    def of(self, content: bytes) -> bytes:
        """Give a file's content as it is after the damage."""
        if self.how == "cut":
            return content[: self.at]
        if self.how == "zeros":
            return (
                content[: self.at]
                + bytes(len(content[self.at : self.at + BLOCK]))
                + content[self.at + BLOCK :]
            )
        changed = bytearray(content)
        changed[self.at // 8] ^= 1 << self.at % 8
        return bytes(changed)


def damages(root: Path, files: tuple[Path, ...], bits: int, seed: int) -> Iterator[Damage]:
    """Draw damages, every file its share: so many bits, and a tenth of them cuts and blocks.

    Args:
        root: Where the files are.
        files: From there.
        bits: How many bits are turned, of all files together; every bit of a file that has fewer.
        seed: Of the draws.
    """
    for number, file in enumerate(files):
        share = bits // len(files) + (number < bits % len(files))
        size = (root / file).stat().st_size
        rng = random.Random(f"{seed}:{file}")
        chosen = sorted(rng.sample(range(8 * size), min(share, 8 * size)))
        yield from (Damage(file, "bit", bit) for bit in chosen)
        for _ in range(-(-share // 20)):
            yield Damage(file, "cut", rng.randrange(size))
            yield Damage(file, "zeros", rng.randrange(size) // BLOCK * BLOCK)
