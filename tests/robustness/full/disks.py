"""Places where there is little space: a small file system, few files, or short files."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOMY = "size=256m,nr_inodes=100000"


@dataclass(frozen=True)
class Space:
    """What there is.

    Attributes:
        of: `bytes` or `files` of a file system, or bytes of each `file`.
        amount: How many.
    """

    of: Literal["bytes", "files", "file"]
    amount: int

    @property
    def options(self) -> str:
        """How a file system so small is mounted."""
        return f"size={self.amount}" if self.of == "bytes" else f"nr_inodes={self.amount}"


def mount(folder: Path, options: str) -> bool:
    """Mount a file system in memory, or mount it again with other options."""
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def can_mount(folder: Path) -> bool:
    """Tell whether a file system can be mounted here: root may, but not within every container."""
    folder.mkdir(parents=True)
    mounted = os.geteuid() == 0 and mount(folder, ROOMY)
    if mounted:
        subprocess.run(["umount", str(folder)], check=False)
    folder.rmdir()
    return mounted


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Give a file system of its own, roomy as yet."""
    folder.mkdir(parents=True, exist_ok=True)
    if not mount(folder, ROOMY):
        raise RuntimeError(f"{folder} could not be mounted")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


def used(folder: Path) -> Space:
    """Give what a file system holds, in bytes."""
    told = os.statvfs(folder)
    return Space("bytes", (told.f_blocks - told.f_bfree) * told.f_frsize)


def files(folder: Path) -> Space:
    """Give what a file system holds, in files and folders."""
    told = os.statvfs(folder)
    return Space("files", told.f_files - told.f_ffree)


def limit_files(pid: int, amount: int) -> None:
    """Let a process write no file beyond so many bytes."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (amount, amount))
