"""A store's folder: made at once, opened with its description checked."""

import shutil
from pathlib import Path
from typing import Any, Literal, cast

import zarr

from configs.build import differences
from configs.files import sync_folder
from configs.locks import resolved
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.descriptions import NOT_READ, SEALED_SINCE, check_seal, seal
from datasets.store.identity import upgrade_identity
from perception.errors import InputError

# 3: chunks carry checksums and are all there. 4: descriptions carry one too, and arrays are as long
# as their episodes. Those of before are read as well.
SCHEMA_VERSION = 4
KINDS: dict[str, type] = {"identity": dict, "task": str, "cameras": dict, "versions": dict}


def open_group(path: Path, mode: Literal["r", "r+"]) -> zarr.Group:
    """Open an existing store's group.

    Raises:
        InputError: It is no store of this project, its description is damaged, or it is newer
            than this program.
    """
    if not path.is_dir():
        raise InputError(f"{path} is a file and not a store of this project; choose another path")
    try:
        group = zarr.open_group(path, mode=mode, use_consolidated=False)
        attributes = cast(dict[str, Any], dict(group.attrs))
        version = int(attributes["schema_version"])
        if SEALED_SINCE <= version <= SCHEMA_VERSION:
            check_seal(path)
        wrong = [k for k, kind in KINDS.items() if not isinstance(attributes.get(k, kind()), kind)]
    except (FileNotFoundError, *NOT_READ) as error:
        raise InputError(
            f"{path} is not a store of this project, or its description (.zgroup and .zattrs, or"
            f" zarr.json) is damaged: {error}"
        ) from error
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema {version}; this program knows {SCHEMA_VERSION}: update it"
        )
    if version < 1 or wrong or "identity" not in attributes:
        said = f"its {', '.join(wrong) or 'identity'} is none" if version > 0 else "no such schema"
        raise InputError(f"{path} is not a store of this project, or is damaged: {said}")
    return group


def open_to_continue(path: Path, attributes: dict[str, Any]) -> zarr.Group:
    """Open an unfinished store, if it was made by the same command.

    Raises:
        InputError: It was not, or as for `open_group`.
    """
    group = open_group(path, "r+")
    identity = identity_of(group, path)
    wanted = upgrade_identity(attributes["identity"])
    if changes := "; ".join(differences(identity, wanted)):
        raise InputError(f"{path} was made by another command ({changes}); choose another out=")
    for rest in path.rglob("*.partial"):  # Zarr writes files aside; a killed writer leaves one.
        rest.unlink()
    return group


def identity_of(group: zarr.Group, path: Path) -> dict[str, Any]:
    """Give what must agree to continue a store, in today's keys.

    Raises:
        InputError: It holds what no program wrote.
    """
    try:
        return upgrade_identity(cast(dict[str, Any], group.attrs["identity"]))
    except NOT_READ as error:
        raise InputError(
            f"{path}: what it says of how it was made (identity) cannot be read"
            f" ({type(error).__name__}: {error}): restore its description from a copy"
        ) from error


def create_group(path: Path, format_: StoreFormat, attributes: dict[str, Any]) -> zarr.Group:
    """Make an empty store with all its attributes, aside, and put it in place at once."""
    target = resolved(path)
    aside = target.with_name(f".{target.name}.new")
    if aside.is_symlink():  # Of nobody here; what it leads to is left alone.
        aside.unlink()
    elif aside.exists():  # Of a writer that was killed.
        shutil.rmtree(aside)
    zarr.create_group(
        aside, zarr_format=cast(Any, format_.zarr_format), attributes=cast(Any, attributes)
    )
    seal(aside)
    aside.rename(target)
    sync_folder(target.parent)
    return zarr.open_group(path, mode="r+", use_consolidated=False)
