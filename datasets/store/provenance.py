"""The software that made a store, and values as JSON gives them back."""

import importlib.metadata
import subprocess
import zlib
from pathlib import Path
from typing import Any

PACKAGES = (
    "mujoco",
    "gymnasium",
    "gymnasium-robotics",
    "metaworld",
    "robosuite",
    "numpy",
    "open3d-cpu",
    "open3d",
    "zarr",
)


def versions() -> dict[str, str]:
    """Give the versions of the packages that shape the data."""
    installed = {d.metadata["Name"].lower() for d in importlib.metadata.distributions()}
    return {name: importlib.metadata.version(name) for name in PACKAGES if name in installed}


def source_commit() -> str | None:
    """Give the commit of this checkout, or None outside one."""
    root = Path(__file__).resolve().parents[2]
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def as_json(value: Any) -> Any:  # noqa: ANN401
    """Turn tuples into lists and paths into text, as JSON gives them back."""
    if isinstance(value, Path):
        return named(value)
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    return [as_json(item) for item in value] if isinstance(value, list | tuple) else value


def named(path: Path) -> str:
    """Name a file without saying where it lies on this machine; by a checksum, which one it is.

    A path relative to where the command runs stays as it is.
    """
    if not path.is_absolute():
        return str(path)
    if not path.is_file():
        return path.name
    return f"{path.name} (crc32 {zlib.crc32(path.read_bytes()):08x})"
