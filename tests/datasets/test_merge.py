"""Shards become one store: in order, once, and only if they belong together."""

from pathlib import Path

import numpy as np
import pytest

from configs.command import compose
from datasets.collection.collector import collect
from datasets.collection.merger import MergeConfig, merge
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.conftest import collect_config
from tests.helpers.commands import succeed
from tests.helpers.killing import assert_equal


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two shards of three and two episodes, collected with other seeds."""
    folder = tmp_path_factory.mktemp("shards")
    for seed, episodes in ((0, 3), (1, 2)):
        collect(collect_config(folder / f"{seed}.zarr", f"seed={seed}", episodes=episodes))
    return [folder / "0.zarr", folder / "1.zarr"]


def merge_config(data: list[Path], out: Path) -> MergeConfig:
    return compose(MergeConfig, "merge", [f"data=[{','.join(map(str, data))}]", f"out={out}"])


def test_shards_become_one_store(shards: list[Path], tmp_path: Path) -> None:
    succeed("datasets/merge.py", f"data=[{shards[0]},{shards[1]}]", f"out={tmp_path / 'all.zarr'}")
    whole = EpisodeStore.open(tmp_path / "all.zarr")
    assert whole.episodes == 5
    assert whole.attributes["identity"]["seed"] == [0, 1]
    parts = [EpisodeStore.open(path) for path in shards]
    for name in ("point_cloud", "action", "sim_state", "success", "meta/seed", "meta/start_state"):
        expected = np.concatenate([part.read(name) for part in parts])
        np.testing.assert_array_equal(whole.read(name), expected)


def test_an_unfinished_merge_goes_on(
    shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StopError(Exception):
        pass

    def stop(self: EpisodeStore, episode: object) -> None:
        if self.episodes == 2:
            raise StopError
        append(self, episode)

    append = EpisodeStore.append
    with monkeypatch.context() as patch:
        patch.setattr(EpisodeStore, "append", stop)
        with pytest.raises(StopError):
            merge(merge_config(shards, tmp_path / "stopped.zarr"))
    assert EpisodeStore.open(tmp_path / "stopped.zarr").episodes == 2
    for name in ("stopped", "whole"):
        merge(merge_config(shards, tmp_path / f"{name}.zarr"))
    assert_equal(tmp_path / "stopped.zarr", tmp_path / "whole.zarr")


def test_what_does_not_belong_together_is_refused(shards: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out.zarr"
    with pytest.raises(InputError, match="both hold the episode of seed"):
        merge(merge_config([shards[0], shards[0]], out))
    collect(collect_config(tmp_path / "other.zarr", "points=32", "seed=5"))
    with pytest.raises(InputError, match="differ in env"):
        merge(merge_config([shards[0], tmp_path / "other.zarr"], out))
    with pytest.raises(InputError, match="is a store that is read"):
        merge(merge_config(shards, shards[0]))
    assert not out.exists()
