"""What exporters share: a target is whole or absent; episodes go one by one, with a bar."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from configs.locks import only_writer
from configs.progress import progress
from configs.stopping import StoppedError
from datasets.store.store import EpisodeStore
from perception.errors import InputError


@contextmanager
def whole(out: Path) -> Iterator[Path]:
    """Give a hidden path beside `out` to write to; it takes that name when all is written.

    What a killed command has left there is removed by the next one. One writer at a time. An empty
    folder of that name is taken for the place to write to.

    Raises:
        InputError: Something of that name exists, or another process is writing it.
        StoppedError: It was asked to stop; nothing of that name is there.
    """
    _refuse_existing(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    with only_writer(out):
        _refuse_existing(out)  # Its writer may just have ended.
        _remove(partial)
        try:
            yield partial
            if out.is_dir():
                out.rmdir()  # It is empty; a file cannot take its name while it is there.
            partial.rename(out)
        except KeyboardInterrupt:
            raise StoppedError(
                f"stopped: nothing of {out} was kept; the same command writes it from its beginning"
            ) from None
        finally:
            _remove(partial)


def _refuse_existing(out: Path) -> None:
    if out.is_dir() and not out.is_symlink() and not any(out.iterdir()):
        return
    if out.exists() or out.is_symlink():
        raise InputError(f"{out} exists and is left alone: remove it, or choose another to=")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def walk(store: EpisodeStore, title: str) -> Iterator[tuple[int, slice]]:
    """Give each episode's number and its steps, behind a progress bar."""
    for index in progress(range(store.episodes), title, unit="episode"):
        yield index, store.rows(index)
