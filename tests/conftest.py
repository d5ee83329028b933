"""What many tests share: tasks as configured, and whether a system library is here."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from configs.command import compose, compose_part
from datasets.collection.collector import CollectConfig, collect
from envs.config import EnvConfig
from envs.rendering.gl import choose_backend
from perception.errors import InputError
from perception.point_cloud import resolve_geometry
from tests.helpers.checked.some_calls import calls

ROOT = Path(__file__).resolve().parents[1]


@cache
def task_config(name: str, *overrides: str) -> EnvConfig:
    """Compose a task; `metaworld-reach` is short for the task `reach` of Meta-World."""
    family, _, task = name.partition("-")
    if family in ("metaworld", "gymnasium", "robosuite"):
        name, overrides = family, (f"env.task={task}", *overrides)
    return compose_part(EnvConfig, "env", name, list(overrides))


@cache
def without_gl() -> str:
    """Say why OpenGL cannot be used here; empty where it can."""
    try:
        choose_backend()
    except InputError as error:
        return str(error)
    return ""


@cache
def without_open3d() -> str:
    """Say why Open3D cannot be used here; empty where it can."""
    try:
        resolve_geometry("open3d")
    except InputError as error:
        return str(error)
    return ""


needs_gl, needs_open3d = pytest.mark.needs_gl, pytest.mark.needs_open3d
MISSING = {"needs_gl": without_gl, "needs_open3d": without_open3d}


# Folders, longest files first.
LONGEST = ("robustness", "policy", "datasets", "formats", "envs", "docs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files, so that no worker has one left when the others are done."""
    rank = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.relative_to(ROOT / "tests").parts[0], len(rank)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Count calls anew. Skip what needs a library; asked here, since to import it takes seconds."""
    calls.clear()
    for mark, missing in MISSING.items():
        if item.get_closest_marker(mark) and missing():
            pytest.skip(missing())


@pytest.fixture(scope="session")
def tiny_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four short real episodes of Adroit's door."""
    path = tmp_path_factory.mktemp("data") / "adroit-door.zarr"
    collect(collect_config(path, episodes=4))
    return path


def collect_config(path: Path, *overrides: str, episodes: int = 2) -> CollectConfig:
    """Compose a small collection of Adroit's door in this process."""
    return replace(_small_collection(*overrides, episodes=episodes), out=path)


@cache
def _small_collection(*overrides: str, episodes: int) -> CollectConfig:
    small = ["env.episode_steps=12", "points=64", "workers=0", f"episodes={episodes}"]
    return compose(CollectConfig, "collect", [*small, *overrides])


Collector = Callable[..., CollectConfig]
