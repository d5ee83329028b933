"""Shards become one store: in order, once, and only if they belong together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from configs.command import compose
from datasets.collection import shards as shards_module
from datasets.collection.collector import collect, successes_of
from datasets.collection.merger import MergeConfig, merge
from datasets.episode import Episode, Provenance
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.conftest import collect_config
from tests.helpers.commands import succeed
from tests.helpers.killing import assert_equal
from tests.helpers.made_up import PLAIN, attributes, episode, write


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two shards of three and two episodes, collected with other seeds."""
    folder = tmp_path_factory.mktemp("shards")
    for seed, episodes in ((0, 3), (1, 2)):
        collect(collect_config(folder / f"{seed}.zarr", f"seed={seed}", episodes=episodes))
    return [folder / "0.zarr", folder / "1.zarr"]


def merge_config(data: list[Path], out: Path, *said: str) -> MergeConfig:
    read = f"data=[{','.join(map(str, data))}]"
    return compose(MergeConfig, "merge", [read, f"out={out}", *said])


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


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")
def test_shards_hold_many_chunks_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = [tmp_path / "a.zarr", tmp_path / "b.zarr"]
    for path, seeds in zip(data, (range(7), range(7, 12)), strict=True):
        write(path, *(episode(60, seed) for seed in seeds))
    plain, few = tmp_path / "plain.zarr", tmp_path / "few.zarr"
    merge(merge_config(data, plain))
    for _ in range(2):  # The same command again finds that nothing is left to do.
        merge(merge_config(data, few, "shards=2"))
    assert_equal(few, plain)
    files = sorted(path.name for path in (few / "data/action/c").iterdir())
    assert files == ["0", "1", "2", "3"]  # Of 720 steps.
    cloud = zarr.open_group(few, mode="r")["data/point_cloud"]
    assert (cloud.chunks[0], cloud.shards[0]) == (100, 200)
    np.testing.assert_array_equal(cloud[:], EpisodeStore.open(plain).read("point_cloud"))
    with pytest.raises(InputError, match="made by another command"):
        merge(merge_config(data, few, "shards=3"))
    merge(merge_config([few], tmp_path / "back.zarr"))
    assert_equal(tmp_path / "back.zarr", plain)
    assert "shards" not in EpisodeStore.open(tmp_path / "back.zarr").attributes
    monkeypatch.setattr(shards_module, "LARGEST_CHUNK", 20_000)
    with pytest.raises(InputError, match=r"shards=2 is too large for .*: give shards=1 or less"):
        merge(merge_config(data, tmp_path / "large.zarr", "shards=2"))


def converted_store(path: Path, source: str, *episodes: Episode, steps: int = 30) -> Path:
    """Write a store as conversion leaves it, of a file that is told by its name."""
    options = {"reward_scale": 0.05}
    origin = {"format": "d4rl", "name": source, "sha256": source, "options": options}
    env = {"name": "adroit-door", "episode_steps": steps, "reward_scale": 0.05}
    said = {
        **attributes(behaviour={"kind": "recorded"}, seed=-1, source=origin, env=env),
        "conversion": {**origin, "drift": {"of": "x", "median": [0], "largest": [1], "last": [2]}},
    }
    with EpisodeStore.writing(path, PLAIN, said) as store:
        for one in episodes:
            store.append(one)
    return path


def unseeded(steps: int, seed: int) -> Episode:
    one = episode(steps, seed)
    where = Provenance(-1, 0.0, 0.0, np.zeros(400))
    return replace(one, recording=replace(one.recording, provenance=where))


def test_converted_stores_become_one(tmp_path: Path) -> None:
    one = converted_store(tmp_path / "a.zarr", "door-human", unseeded(20, 0), steps=20)
    two = converted_store(tmp_path / "b.zarr", "door-expert", unseeded(30, 1))
    for _ in range(2):  # The same command again finds that nothing is left to do.
        merge(merge_config([one, two], tmp_path / "all.zarr"))
    whole = EpisodeStore.open(tmp_path / "all.zarr")
    assert whole.episode_ends.tolist() == [20, 50]
    identity, said = whole.attributes["identity"], whole.attributes["conversion"]
    assert identity["env"]["episode_steps"] == 30
    assert [source["name"] for source in identity["source"]] == ["door-human", "door-expert"]
    assert said["drift"]["largest"] == [1, 1]
    three = converted_store(tmp_path / "c.zarr", "door-cloned", unseeded(25, 2))
    merge(merge_config([tmp_path / "all.zarr", three], tmp_path / "more.zarr"))
    assert EpisodeStore.open(tmp_path / "more.zarr").episodes == 3


def test_what_cannot_become_one_is_said_before_it_begins(tmp_path: Path) -> None:
    one = converted_store(tmp_path / "a.zarr", "door-human", unseeded(20, 0))
    again = converted_store(tmp_path / "again.zarr", "door-human", unseeded(20, 0))
    first = unseeded(20, 0)
    unjudged = replace(first, recording=replace(first.recording, successes=None))
    others = {
        "both hold what was converted from door-human": again,
        "holds success and .*b.zarr does not": converted_store(tmp_path / "b.zarr", "b", unjudged),
        r"point_cloud is \(64, 6\) a row in .*c.zarr, but \(64, 3\)": converted_store(
            tmp_path / "c.zarr", "c", replace(first, points=np.zeros((20, 64, 6), np.float32))
        ),
    }
    write(tmp_path / "plain.zarr", episode(20))
    for message, other in {**others, "differ in ": tmp_path / "plain.zarr"}.items():
        with pytest.raises(InputError, match=message):
            merge(merge_config([one, other], tmp_path / "out.zarr"))
    assert not (tmp_path / "out.zarr").exists()


def test_a_collection_that_goes_on_counts_all_its_successes(tmp_path: Path) -> None:
    write(tmp_path / "s.zarr", *(episode(20, seed) for seed in range(3)))
    store = EpisodeStore.open(tmp_path / "s.zarr")
    recordings = [store.read_recording(index) for index in range(3)]
    for rule in ("end", "ever"):
        assert successes_of(store, rule) == sum(bool(r.succeeded(rule)) for r in recordings)
