"""A format is its file: found by its name, recognised and chosen like those of the project."""

from pathlib import Path

import numpy as np
import pytest

from configs.command import compose
from datasets import formats
from datasets.formats.converter import ConvertConfig, convert
from datasets.formats.detect import detect, exporters, importers
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.helpers.foreign_data import as_store
from tests.helpers.own import formats as own_formats


def test_the_projects_own_are_listed() -> None:
    assert list(importers()) == ["d4rl", "dapg", "dp3", "lerobot", "mcap", "minari", "robomimic"]
    assert list(exporters()) == ["dp3", "lerobot", "minari", "robomimic"]


def test_a_file_more_is_a_format_more(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "door.npz"
    export = compose(ConvertConfig, "convert", [f"from={tiny_store}", f"to={out}"])
    with pytest.raises(InputError, match=r"door.npz names no target; say target=store or dp3"):
        convert(export)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, *own_formats.__path__])
    convert(export)
    assert detect(out) == "npz"
    store, original = as_store(out, tmp_path / "back.zarr"), EpisodeStore.open(tiny_store)
    for name in ("state", "action", "point_cloud"):
        np.testing.assert_array_equal(store.read(name), original.read(name))
    assert store.identity["source"]["format"] == "npz"
