"""Other people's episodes, one at a time: what every format of theirs is read into."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets.episode import Episode
from perception.errors import InputError

BLOCK = 1 << 22


@dataclass(frozen=True)
class Drift:
    """How far a moment of ours is from the one recorded.

    Every step counts with the largest difference of any entry of its observation (radians, metres
    or their rates).
    """

    median: float
    largest: float
    last: float


@dataclass(frozen=True)
class Converted:
    """An episode as it goes into a store, and how well it could be replayed."""

    episode: Episode
    drift: Drift | None = None


@dataclass(frozen=True)
class Source:
    """Someone's data, open to be converted.

    Attributes:
        format: Whose format it is.
        lengths: Steps that each episode will have.
        read: Reads an episode by its number: an `Episode` where clouds were recorded, else a job
            of `datasets.formats.resimulate`.
        simulated: Whether our simulator makes the clouds.
        action_size: Numbers in an action.
        options: What changes the result, and must agree to continue.
        about: What else is known of the data.
    """

    format: str
    lengths: tuple[int, ...]
    read: Callable[[int], Any]
    simulated: bool
    action_size: int
    options: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.lengths:
            raise InputError(f"There is no episode in this {self.format} data")


def fingerprint(path: Path) -> dict[str, Any]:
    """Tell which file or folder was read, without where it lay: name, bytes, and a file's SHA-256.

    Args:
        path: A file, or a folder, of which names and sizes are hashed.
    """
    if path.is_file():
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
        return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest.hexdigest()}
    sizes = {
        str(file.relative_to(path)): file.stat().st_size
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }
    listing = hashlib.sha256(repr(sizes).encode()).hexdigest()
    return {"name": path.name, "bytes": sum(sizes.values()), "listing_sha256": listing}
