"""What exporters share: a target is whole or absent; episodes go one by one, with a bar."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from configs.locks import only_writer
from datasets.store.store import EpisodeStore
from perception.errors import InputError


@contextmanager
def whole(out: Path) -> Iterator[Path]:
    """Give a hidden path beside `out` to write to; it takes that name when all is written.

    What a killed command has left there is removed by the next one. One writer at a time.

    Raises:
        InputError: Something of that name exists, or another process is writing it.
    """
    _refuse_existing(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    with only_writer(out):
        _refuse_existing(out)  # Its writer may just have ended.
        _remove(partial)
        try:
            yield partial
            partial.rename(out)
        finally:
            _remove(partial)


def _refuse_existing(out: Path) -> None:
    if out.exists() or out.is_symlink():
        raise InputError(f"{out} exists and is left alone: remove it, or choose another to=")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def walk(store: EpisodeStore, title: str) -> Iterator[tuple[int, slice]]:
    """Give each episode's number and its steps, behind a progress bar."""
    for index in tqdm(range(store.episodes), title, unit="episode"):
        yield index, store.rows(index)
