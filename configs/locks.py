"""One writer at a time for a store or a run folder, by whatever name it is called."""

import errno
import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from perception.errors import InputError

logger = logging.getLogger(__name__)

WITHOUT_LOCKS = "SODP_WITHOUT_LOCKS"  # Set to 1: write where the file system has no locks.


def resolved(path: Path) -> Path:
    """Give the one absolute path that links, `..` and relative names lead to; it may be missing.

    Raises:
        InputError: Links lead to one another.
    """
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError before Python 3.13.
        raise InputError(f"{path} cannot be followed to where it lies ({error})") from error


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Hold the lock of a folder that is written; it goes with its process, however that ends.

    The lock is a hidden empty file beside the folder that `path` leads to, so that every name of
    one folder is one lock. It is never read, cut or followed elsewhere; it stays behind.

    Args:
        path: The folder, which need not exist; its parent is made.

    Raises:
        InputError: Another process holds it, the file system has no locks (and nobody said to go
            on without), or a link stands where the lock should be.
    """
    target = resolved(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle = _open(target.with_name(f".{target.name}.lock"))
    try:
        _lock(handle, path)
        yield
    finally:
        os.close(handle)


def _open(lock: Path) -> int:
    """Open a lock file, or make it; as the umask has it, and through no link."""
    try:
        return os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise InputError(f"{lock} is a link, and no lock file is: remove it") from error


def _lock(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(
            f"Another process is writing {path}: wait for its end, or write elsewhere"
        ) from error
    except OSError as error:  # ENOSYS, ENOLCK or EOPNOTSUPP: Lustre, some NFS.
        if os.environ.get(WITHOUT_LOCKS) != "1":
            raise InputError(
                f"The file system of {path} has no locks ({error.strerror}), so a second writer"
                f" would not be noticed: write elsewhere, or set {WITHOUT_LOCKS}=1 and see to it"
                " that nobody else writes there"
            ) from error
        logger.warning("%s is written without a lock: see that nobody else writes it", path)
