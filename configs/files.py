"""Files that are wholly there or not at all."""

import os
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file aside, sync it, and rename it: a reader finds all of it, or what was there.

    Args:
        path: The file; its folder is made.
        write: Writes to the path that it is given, a file beside the wanted one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.half")
    try:
        write(aside)
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_text_whole(path: Path, text: str) -> None:
    """Write a text the same way, as UTF-8."""
    write_whole(path, lambda aside: aside.write_text(text, encoding="utf-8"))
