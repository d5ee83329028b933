"""An episode of the simulator, filmed by one camera and by two, and how its task is seen."""

from pathlib import Path

import pytest

from datasets.collection.collector import collect
from datasets.store.store import EpisodeStore
from tests.conftest import collect_config
from tests.datasets.cameras.streaming import Step, steps_of


@pytest.fixture(scope="session")
def film(tiny_store: Path) -> list[Step]:
    return list(steps_of(tiny_store, 0))


@pytest.fixture(scope="session")
def seen(tiny_store: Path) -> list[str]:
    """Give the keys that see as the store's own cameras do."""
    view = EpisodeStore.open(tiny_store).env.view
    corners = {name: list(getattr(view, name)) for name in ("crop_low", "crop_high")}
    return ["task=my-hand", *(f"env.view.{name}={corner}" for name, corner in corners.items())]


@pytest.fixture(scope="session")
def two_cameras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Collect what two cameras see together."""
    path = tmp_path_factory.mktemp("two") / "two.zarr"
    collect(collect_config(path, "cameras=[top,vil_camera]", episodes=1))
    return path
