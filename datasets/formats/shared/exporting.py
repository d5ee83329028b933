"""What exporters ask of a store and of the machine."""

import importlib
from typing import Any

from datasets.store.store import EpisodeStore
from perception.errors import InputError


def extra(name: str) -> Any:  # noqa: ANN401 (an extra, so not always there to be typed)
    """Import a package that the extra `convert` brings.

    Raises:
        InputError: It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise InputError(f"{package} is missing; run: pip install -e '.[convert]'") from error


def views(store: EpisodeStore, kind: str) -> dict[str, str]:
    """Name the cameras whose pictures of a kind (`img`, `depth`) a store holds.

    Returns:
        The array of each camera by the camera's name; `main` where the store does not name it.
    """
    cameras = list(store.attributes.get("cameras") or {})
    alone = cameras[0] if len(cameras) == 1 else "main"
    names = [n for n in store.names if n == kind or n.startswith(f"{kind}_")]
    return {n.removeprefix(kind).removeprefix("_") or alone: n for n in names}


def task_of(store: EpisodeStore) -> str:
    """Give the name of a store's task; `unknown` where it does not say."""
    return str(store.attributes.get("task", "unknown"))
