"""Drawing recorded states again: exact, in another view, and where a killed command was."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from configs.command import compose
from datasets.collection.collector import collect
from datasets.collection.rerender import RenderConfig, render_again
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.conftest import collect_config
from tests.helpers.commands import refuse
from tests.helpers.killing import assert_equal


def render_config(data: Path, out: Path, *overrides: str) -> RenderConfig:
    own = [f"data={data}", f"out={out}", "workers=0"]
    return compose(RenderConfig, "render", [*own, *overrides])


def test_the_same_view_gives_the_same_store(tiny_store: Path, tmp_path: Path) -> None:
    render_again(render_config(tiny_store, tmp_path / "again.zarr", "workers=2"))
    assert_equal(tiny_store, tmp_path / "again.zarr")


def test_another_view_gives_the_store_that_collecting_with_it_gives(tmp_path: Path) -> None:
    view = ("points=96", "cameras=[top,vil_camera]", "colour=true", "images=[depth]")
    stored = ("zarr_format=3", "error_mm=0")
    collect(collect_config(tmp_path / "plain.zarr"))
    collect(collect_config(tmp_path / "acted.zarr", *view, *stored))
    render_again(render_config(tmp_path / "plain.zarr", tmp_path / "drawn.zarr", *view, *stored))
    assert_equal(tmp_path / "acted.zarr", tmp_path / "drawn.zarr")
    acted, drawn = (
        EpisodeStore.open(tmp_path / f"{n}.zarr").attributes for n in ("acted", "drawn")
    )
    assert acted["identity"] == drawn["identity"]


def test_crop_and_image_size_can_be_others(tiny_store: Path, tmp_path: Path) -> None:
    other = ("crop_low=[-1,-1,0.3]", "image_size=48")
    render_again(render_config(tiny_store, tmp_path / "high.zarr", *other))
    store = EpisodeStore.open(tmp_path / "high.zarr")
    assert store.read("point_cloud")[..., 2].min() >= 0.3 - 1e-4
    assert EpisodeStore.open(tiny_store).read("point_cloud")[..., 2].min() < 0.2
    assert np.array(store.attributes["cameras"]["top"]["intrinsics"])[0, 2] == 23.5


def test_wrong_input_is_refused(tiny_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.zarr"
    assert "There is no store" in refuse("datasets/render.py", "data=none.zarr", f"out={out}")
    with pytest.raises(InputError, match="the store that is read"):
        render_again(render_config(tiny_store, tiny_store))
    with pytest.raises(InputError, match="has no camera 'front'"):
        render_again(render_config(tiny_store, out, "cameras=[front]"))
    shutil.copytree(tiny_store, out)
    with pytest.raises(InputError, match="made by another command"):
        render_again(render_config(tiny_store, out, "points=32"))
