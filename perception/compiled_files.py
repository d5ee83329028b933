"""The files in which Numba keeps what it compiled, with a checksum: damaged ones are made anew.

They hold machine code, of which a flipped bit may do anything. Numba itself trusts them, and dies
of those that are cut. A file of before the checksums counts as damaged.
"""

import hashlib
import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numba.core.caching import IndexDataCacheFile

logger = logging.getLogger(__name__)

DIGEST_BYTES = 32


class CheckedFiles(IndexDataCacheFile):
    """Numba's files of one function, each followed by its SHA-256, which Numba's reader ignores."""

    on_miss: Callable[[], None]

    @classmethod
    def take_over(cls, compiled: Any, on_miss: Callable[[], None]) -> None:  # noqa: ANN401
        """Check the files of a compiled function; `on_miss` is called before it compiles."""
        cache = getattr(compiled, "_cache", None)
        if cache is not None and hasattr(cache, "_cache_file"):  # Not where Numba is switched off.
            cache._cache_file.__class__ = cls
            cache._cache_file.on_miss = on_miss

    def load(self, key: Any) -> Any:  # noqa: ANN401
        """Load what was compiled for some types; None where it must be compiled."""
        files: Any = super()  # Numba has no types.
        loaded = files.load(key)
        if loaded is None:
            self.on_miss()
        return loaded

    def save(self, key: Any, data: Any) -> None:  # noqa: ANN401
        """Keep what was compiled; it serves this process also where it cannot be kept."""
        files: Any = super()
        try:
            files.save(key, data)
        except OSError as error:
            logger.warning("compiled loops are not kept (%s): the next start compiles again", error)

    def _load_index(self) -> Any:  # noqa: ANN401
        files: Any = super()
        return files._load_index() if _is_whole(Path(self._index_path)) else {}

    def _load_data(self, name: str) -> Any:  # noqa: ANN401
        files: Any = super()
        path = Path(files._data_path(name))
        if not _is_whole(path):
            raise FileNotFoundError(path)  # Numba compiles again.
        return files._load_data(name)

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[io.BytesIO]:
        files: Any = super()
        with files._open_for_write(filepath) as file:
            written = io.BytesIO()
            yield written
            file.write(written.getvalue() + hashlib.sha256(written.getvalue()).digest())


def _is_whole(path: Path) -> bool:
    """Tell whether a file is there, and as it was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return hashlib.sha256(content[:-DIGEST_BYTES]).digest() == content[-DIGEST_BYTES:]
