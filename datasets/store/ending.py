"""The end of writing a store: what is spare goes; of an early end, what the store holds is said."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from configs.locks import resolved
from datasets.store.contents import Contents
from perception.errors import InputError


@contextmanager
def writing_ends(contents: Contents, *, fresh: bool) -> Iterator[None]:
    """Clear up at the end of writing; where the machine ended it, say what the store holds.

    Args:
        contents: Of the store.
        fresh: Whether this writer made it: then it goes again if no episode came of it.
    """
    try:
        yield
    except (OSError, MemoryError) as error:
        episodes = len(contents.episode_ends)
        held = f"{contents.path} keeps its {episodes} whole episodes; the same command goes on"
        if isinstance(error, OSError):
            raise OSError(error.errno, f"{error.strerror} ({held})", error.filename) from error
        raise InputError(
            f"Out of memory ({error}): free some, or make less at once. {held}"
        ) from error
    except InputError:
        if fresh and not len(contents.episode_ends):
            shutil.rmtree(resolved(contents.path))
        raise
    finally:
        if contents.path.exists():
            contents.cut()
