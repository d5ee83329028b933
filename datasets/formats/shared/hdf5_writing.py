"""Writing HDF5 so that a full disk is one error, and the library can still close its file.

HDF5 keeps chunks and tables of contents in memory and writes them late: where that fails, closing
fails as well, and so does every object that is given up afterwards. So HDF5 writes to a `Sink`,
which remembers the first error and takes no more; whoever writes asks it.
"""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datasets.formats.shared.exporting import extra


class Sink(io.RawIOBase):
    """A file for h5py to write to, which fails without HDF5 noticing.

    Args:
        descriptor: Of a file open to read and write.

    Attributes:
        error: The first that writing met, if it did.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.error: OSError | KeyboardInterrupt | None = None
        self._descriptor, self._place = descriptor, 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._place}.get(whence)
        end = os.fstat(self._descriptor).st_size if start is None else start
        self._place = end + offset
        return self._place

    def tell(self) -> int:
        """Give the place."""
        return self._place

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 (a buffer)
        """Read back what was written; what was not is zeros."""
        view = memoryview(buffer).cast("B")
        there = os.pread(self._descriptor, len(view), self._place)
        view[:] = there + bytes(len(view) - len(there))
        self._place += len(view)
        return len(view)

    def write(self, data: Any) -> int:  # noqa: ANN401
        """Write all of it here; after an error, nothing."""
        view = memoryview(data).cast("B")
        self._try(self._write_all, view)
        self._place += len(view)
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        """Make the file so long."""
        size = self._place if size is None else size
        self._try(os.ftruncate, self._descriptor, size)
        return size

    def finish(self) -> None:
        """See that all is on the disk."""
        self._try(os.fsync, self._descriptor)

    def _write_all(self, view: memoryview) -> None:
        written = 0
        while written < len(view):
            written += os.pwrite(self._descriptor, view[written:], self._place + written)

    def _try(self, act: Callable[..., object], *arguments: Any) -> None:  # noqa: ANN401
        if self.error is None:
            try:
                act(*arguments)
            except (OSError, KeyboardInterrupt) as error:  # Within HDF5 either would be lost.
                self.error = error


@contextmanager
def writing(path: Path, name: Path) -> Iterator[tuple[Any, Callable[[], None]]]:
    """Open a new file to write, with a function that raises what writing has met since.

    Args:
        path: Where to write.
        name: How errors call it.

    Raises:
        InputError: h5py is missing.
        OSError: The disk is full, or does not take it; it is raised once, at the latest here.
    """
    h5py = extra("h5py")
    with path.open("x+b", buffering=0) as raw:
        sink = Sink(raw.fileno())

        def check() -> None:
            if isinstance(sink.error, OSError):
                raise OSError(sink.error.errno, sink.error.strerror, str(name))
            if sink.error is not None:
                raise sink.error

        try:
            with h5py.File(sink, "w") as file:
                yield file, check
            sink.finish()
        finally:
            check()  # Whatever HDF5 said of it, this is why.
