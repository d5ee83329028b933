"""Say what of the optional parts works on this machine, and how to get what does not."""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import importlib
import logging
from collections.abc import Callable
from importlib.util import find_spec

import torch

from envs.rendering.gl import choose_backend
from envs.rendering.raster import draw
from perception.errors import InputError
from perception.point_cloud import APT_LINE, resolve_geometry

logger = logging.getLogger(__name__)


def gpu() -> str:
    """Name the GPU that training would use."""
    if not torch.cuda.is_available():
        raise InputError("none found; everything runs on the CPU")
    return torch.cuda.get_device_name()


def pytorch3d() -> str:
    """Find PyTorch3D's operations."""
    try:
        importlib.import_module("pytorch3d.ops")
    except (ImportError, OSError) as error:
        raise InputError(f"{error}; Numba and Torch sample as exactly") from error
    return "importable"


def open3d() -> str:
    """Find Open3D."""
    try:
        return f"{resolve_geometry('open3d')} importable"
    except InputError as error:
        raise InputError("does not import; compiled loops give the same points") from error


def foreign_files() -> str:
    """Find what reads and writes other projects' files."""
    missing = [name for name in ("h5py", "pyarrow", "minari") if find_spec(name) is None]
    if missing:
        raise InputError(f"{', '.join(missing)}; pip install -e '.[convert]' brings them")
    return "importable"


def compiled() -> str:
    """Find where compiled loops are kept from one start to the next."""
    folder = draw.stats.cache_path  # Of one of them.
    if folder is None:
        raise InputError("no folder can be written; NUMBA_CACHE_DIR= names one")
    return f"kept in {folder}"


PARTS: dict[str, tuple[Callable[[], str], bool]] = {  # Whether the apt line would help.
    "Open3D (clouds)": (open3d, True),
    "OpenGL (textured pictures)": (choose_backend, True),
    "PyTorch3D (sampling on a GPU)": (pytorch3d, False),
    "GPU": (gpu, False),
    "other projects' files": (foreign_files, False),
    "compiled loops": (compiled, False),
}


def main() -> None:
    """Try each part, and log what came of it."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    apt = False
    for name, (probe, system_library) in PARTS.items():
        try:
            logger.info("  %-30s %s", name, probe())
        except InputError as error:
            logger.info("  %-30s missing: %s", name, str(error).split(". On Debian")[0])
            apt = apt or system_library
    if apt:
        logger.info("Nothing here needs these. With root: %s", APT_LINE.removeprefix("On Debian: "))


if __name__ == "__main__":
    main()
