"""What folders take on disk."""

from pathlib import Path


def card_bytes(path: Path) -> int:
    """Add up the files of the card that lies in a store."""
    return sum(file.stat().st_size for file in path.glob("card.*"))


def folder_bytes(path: Path) -> int:
    """Add up the files of a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
