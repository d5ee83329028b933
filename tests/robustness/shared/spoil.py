"""Ways to damage a file or a folder, by name; what is drawn follows from a seed."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path


def _some_file(path: Path, rng: random.Random) -> Path | None:
    """Choose the file itself, or one in the folder."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return rng.choice(files) if files else None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def missing(path: Path, _: random.Random) -> None:
    """Take all of it away."""
    _remove(path)


def empty_file(path: Path, _: random.Random) -> None:
    """Put an empty file in its place."""
    _remove(path)
    path.touch()


def empty_folder(path: Path, _: random.Random) -> None:
    """Put an empty folder in its place."""
    _remove(path)
    path.mkdir()


def words(path: Path, _: random.Random) -> None:
    """Put a text in its place."""
    _remove(path)
    path.write_text("not what you look for\n", encoding="utf-8")


def nowhere(path: Path, _: random.Random) -> None:
    """Put a link that leads nowhere in its place."""
    _remove(path)
    path.symlink_to("nowhere")


def lost(path: Path, rng: random.Random) -> None:
    """Lose one file."""
    if file := _some_file(path, rng):
        file.unlink()


def cut(path: Path, rng: random.Random) -> None:
    """Cut one file short."""
    if file := _some_file(path, rng):
        os.truncate(file, rng.randrange(file.stat().st_size or 1))


def noise(path: Path, rng: random.Random) -> None:
    """Put random bytes into one file's place."""
    if file := _some_file(path, rng):
        file.write_bytes(rng.randbytes(file.stat().st_size))


def zeros(path: Path, rng: random.Random) -> None:
    """Put zeros into the place of 512 bytes of one file."""
    if file := _some_file(path, rng):
        content = bytearray(file.read_bytes())
        at = rng.randrange(len(content) or 1) // 512 * 512
        content[at : at + 512] = bytes(len(content[at : at + 512]))
        file.write_bytes(content)


def bit(path: Path, rng: random.Random) -> None:
    """Turn one bit of one file."""
    file = _some_file(path, rng)
    if file and file.stat().st_size:
        content = bytearray(file.read_bytes())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        file.write_bytes(content)


def folder_for_file(path: Path, rng: random.Random) -> None:
    """Put a folder into one file's place."""
    if file := _some_file(path, rng):
        file.unlink()
        file.mkdir()


Spoil = Callable[[Path, random.Random], None]
SPOILS: dict[str, Spoil] = {
    spoil.__name__: spoil
    for spoil in (
        missing, empty_file, empty_folder, words, nowhere, lost, cut, noise, zeros, bit,
        folder_for_file,
    )
}  # fmt: skip
