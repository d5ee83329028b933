"""Which formats there are, and which of them something is in.

A module `from_<name>.py` of this folder is a format that is read, a module `to_<name>.py` one that
is written: to add one, add its file.
"""

import importlib
import pkgutil
import zipfile
from pathlib import Path
from typing import Protocol, cast, runtime_checkable

from datasets.formats.shared.foreign_zarr.descriptions import GROUPS, check_group, unpack_first
from datasets.formats.shared.source import ReadOptions, Source
from datasets.store.store import EpisodeStore
from envs.config import EnvConfig
from perception.errors import InputError

PACKAGE = "datasets.formats"
STORE = "store"  # The name of this project's own format.


@runtime_checkable
class Importer(Protocol):
    """What a module `from_<name>.py` has."""

    LOOKS_LIKE: str  # How people recognise the format.

    def recognises(self, path: Path) -> bool:
        """Tell by its content whether a file or folder is in this format."""

    def open_source(self, path: Path, env: EnvConfig, options: ReadOptions) -> Source:
        """Open what is read; InputError if it is damaged, or an option does not apply."""


@runtime_checkable
class Exporter(Protocol):
    """What a module `to_<name>.py` has."""

    SUFFIX: str | None  # How the name of a target ends, where that alone names the format.

    def write(self, store: EpisodeStore, out: Path) -> None:
        """Write every episode of a store."""


def importers() -> dict[str, Importer]:
    """Give the formats that are read, by name."""
    return {name: cast(Importer, _module(f"from_{name}")) for name in _names("from_")}


def exporters() -> dict[str, Exporter]:
    """Give the formats that are written, by name."""
    return {name: cast(Exporter, _module(f"to_{name}")) for name in _names("to_")}


def _names(prefix: str) -> list[str]:
    folders = importlib.import_module(PACKAGE).__path__
    modules = [module.name for module in pkgutil.iter_modules(folders)]
    return sorted(name.removeprefix(prefix) for name in modules if name.startswith(prefix))


def _module(name: str) -> object:
    return importlib.import_module(f"{PACKAGE}.{name}")


def locate(name: str) -> Path:
    """Find what `from=` names: a path, or `<format>:<id>` of a format that knows where its data is.

    Raises:
        InputError: There is no such data where that format keeps it.
    """
    format_, colon, dataset = name.partition(":")
    if colon and format_ in _names("from_"):
        find = getattr(_module(f"from_{format_}"), "locate", None)
        if find is not None:
            return cast(Path, find(dataset))
    return Path(name)


def detect(path: Path) -> str:
    """Tell the format of a file or folder: that of an importer, or `store`.

    Raises:
        InputError: There is nothing, or nobody recognises it.
    """
    if not path.exists():
        raise InputError(f"There is no {path}")
    if path.is_dir() and _is_store(path):
        return STORE
    for name, importer in importers().items():
        if importer.recognises(path):
            return name
    if path.is_file() and _is_planner(path):
        raise InputError(
            f"{path} is a trained policy, no data: policy/evaluate.py checkpoint={path} plays it,"
            f" policy/train.py stage=finetune init_from={path} fine-tunes it"
        )
    if path.is_file() and zipfile.is_zipfile(path):
        raise InputError(unpack_first(path))
    readable = "; ".join(f"{name}: {one.LOOKS_LIKE}" for name, one in importers().items())
    raise InputError(f"{path} is in no format that is read here. There are {readable}")


def _is_store(path: Path) -> bool:
    if not any((path / name).is_file() for name in GROUPS):
        return False
    return "schema_version" in check_group(path)


def _is_planner(path: Path) -> bool:
    """Tell a checkpoint, those of DP3 among them: archives of Torch, which hold a pickle."""
    if not zipfile.is_zipfile(path):
        return path.suffix == ".safetensors"
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False
