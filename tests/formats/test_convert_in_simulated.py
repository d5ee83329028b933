"""Adroit as others keep it, once it is a store: drawn again, trained on, played as recorded."""

from pathlib import Path

import numpy as np
import pytest

from datasets.collection.rerender import render_again
from datasets.store.store import EpisodeStore
from datasets.windows import load_windows
from perception.errors import InputError
from tests.datasets.test_render import render_config
from tests.helpers.foreign_data import converted, write_d4rl, write_dapg


@pytest.fixture(params=["dapg", "d4rl"])
def source(request: pytest.FixtureRequest, tiny_store: Path, tmp_path: Path) -> Path:
    """Give a file of either kind."""
    path = tmp_path / ("demos.pickle" if request.param == "dapg" else "door.hdf5")
    if request.param == "dapg":
        write_dapg(path, "door")
    else:
        write_d4rl(path, EpisodeStore.open(tiny_store))
    return path


def test_a_converted_store_is_drawn_again_and_trained_on(source: Path, tmp_path: Path) -> None:
    store = converted(source, tmp_path / "s.zarr")
    render_again(render_config(store.path, tmp_path / "same.zarr"))
    render_again(render_config(store.path, tmp_path / "fewer.zarr", "points=16"))
    same, fewer = (EpisodeStore.open(tmp_path / f"{n}.zarr") for n in ("same", "fewer"))
    np.testing.assert_array_equal(same.read("point_cloud"), store.read("point_cloud"))
    assert same.attributes["identity"] == store.attributes["identity"]
    assert same.attributes["conversion"] == store.attributes["conversion"]
    assert fewer.read("point_cloud").shape[1] == 16
    assert store.attributes["task"] == "adroit-door"
    windows = load_windows([store.path], history=2, horizon=4, chunk=3)
    assert windows.observations.points.shape[1:] == (64, 3)


def test_files_of_another_task_are_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="are those of door: choose env=adroit-door"):
        converted(source, tmp_path / "s.zarr", "env=adroit-hammer")
    with pytest.raises(InputError, match="is data of Adroit"):
        converted(source, tmp_path / "s.zarr", "env=metaworld")


def test_its_task_is_played_as_it_was_recorded(source: Path, tmp_path: Path) -> None:
    """One recorded action is one simulator step, whatever this project's own task says."""
    store = converted(source, tmp_path / "s.zarr")
    lengths = np.diff(store.episode_ends, prepend=0)
    assert (store.env.action_repeat, store.env.episode_steps) == (1, lengths.max())
    assert store.env.view.points == 64
    assert store.fingerprint == {"episodes": len(lengths), "steps": lengths.sum(), "seed": -1}
