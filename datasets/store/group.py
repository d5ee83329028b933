"""A store's folder: made at once, opened with its description checked."""

import shutil
from pathlib import Path
from typing import Any, Literal, cast

import zarr

from configs.differences import differences
from configs.files import sync_folder
from configs.locks import resolved
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.identity import upgrade_identity
from perception.errors import InputError

SCHEMA_VERSION = 3  # 3: chunks carry checksums and are all there. 2, without, is read too.


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
        complete = isinstance(attributes["identity"], dict)
    except (FileNotFoundError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is not a store of this project, or its description (.zgroup and .zattrs, or"
            f" zarr.json) is damaged: {error}"
        ) from error
    if not complete:
        raise InputError(f"{path} is not a store of this project: its identity is no group of keys")
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{path} has schema {version}; this program knows {SCHEMA_VERSION}: update it"
        )
    return group


def open_to_continue(path: Path, attributes: dict[str, Any]) -> zarr.Group:
    """Open an unfinished store, if it was made by the same command.

    Raises:
        InputError: It was not, or as for `open_group`.
    """
    group = open_group(path, "r+")
    identity = upgrade_identity(cast(dict[str, Any], group.attrs["identity"]))
    wanted = upgrade_identity(attributes["identity"])
    if changes := "; ".join(differences(identity, wanted)):
        raise InputError(f"{path} was made by another command ({changes}); choose another out=")
    for rest in path.rglob("*.partial"):  # Zarr writes files aside; a killed writer leaves one.
        rest.unlink()
    return group


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
    aside.rename(target)
    sync_folder(target.parent)
    return zarr.open_group(path, mode="r+", use_consolidated=False)
