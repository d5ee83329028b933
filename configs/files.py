"""Files that are wholly there or not at all."""

import errno
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from configs.locks import resolved
from perception.errors import InputError

LEFT_AFTER_S = 3600  # Nobody writes a file aside for so long without a byte: its writer is dead.


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file aside, sync it, and rename it: a reader finds all of it, or what was there.

    A link is followed: the file that it leads to is replaced. The file beside it has a name of its
    own for every call and is created by it, so that two writers do not meet and no link is followed
    there. The permissions are those that the umask gives a new file.

    Args:
        path: The file; its folder is made.
        write: Writes to the path that it is given, an empty file beside the wanted one.

    Raises:
        InputError: A folder, or something else that is no file, stands there.
    """
    target = resolved(path)
    if target.exists() and not target.is_file():
        raise InputError(f"{path} is no file, and is left alone: remove it, or write elsewhere")
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_left(target)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.half")
    mode = _create(aside)
    try:
        write(aside)
        aside.chmod(mode)  # Some libraries put a file of their own there, for its owner alone.
        _sync(aside)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(target.parent)


def write_text_whole(path: Path, text: str) -> None:
    """Write a text the same way, as UTF-8."""
    write_whole(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def sync_folder(folder: Path) -> None:
    """Have the disk keep the names in a folder; some file systems cannot, and do not need to."""
    try:
        _sync(folder)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES):
            raise


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _create(path: Path) -> int:
    """Create an empty file, which must not exist; give the permissions that the umask left it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        return os.fstat(handle).st_mode & 0o777
    finally:
        os.close(handle)


def _remove_left(target: Path) -> None:
    """Remove what writers that were killed long ago left beside a file."""
    prefix = f".{target.name}."
    for left in target.parent.iterdir():
        if left.name.startswith(prefix) and left.name.endswith(".half") and _is_old(left):
            left.unlink(missing_ok=True)


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.lstat().st_mtime > LEFT_AFTER_S
    except FileNotFoundError:  # Its writer has just ended.
        return False
