"""A store that was damaged: said by name, never read as something else, whoever reads it."""

import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

from configs.command import compose
from datasets.cards.card_files import keep_card
from datasets.cards.viewer import ViewDataConfig, view
from datasets.collection.merger import MergeConfig, merge
from datasets.collection.rerender import RenderConfig, render_again
from datasets.store import arrays
from datasets.store.chunk_codecs import StoreFormat, codecs
from datasets.store.store import EpisodeStore
from datasets.windows import load_windows
from perception.errors import InputError
from tests.helpers.commands import refuse
from tests.helpers.killing import assert_equal, everything
from tests.helpers.made_up import PLAIN, episode, write

FORMATS = {2: "{}", 3: "c/{}"}  # Where chunks lie in an array's folder.
CHUNKS = {
    "data/point_cloud": ("1", "0", "0"),
    "data/success": ("1",),
    "data/sim_state": ("0", "0"),
    "meta/seed": ("0",),
    "meta/episode_ends": ("0",),
}
EPISODES = [episode(60, seed) for seed in range(4)]


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(bytes(content))


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def empty(file: Path) -> None:
    os.truncate(file, 0)


def put_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


SPOIL = [flip, truncate, empty, Path.unlink, put_a_folder]


WRITTEN = {"2": (2, None), "3": (3, None), "shards": (3, 1)}  # Format, and chunks of a shard.


@pytest.fixture(scope="module", params=WRITTEN)
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of four episodes of 60 steps, in either format, and in shards."""
    path = tmp_path_factory.mktemp("sound") / "s.zarr"
    zarr_format, shards = WRITTEN[request.param]
    write(path, *EPISODES, format_=StoreFormat(zarr_format, 0.09, shards))
    return path


@pytest.fixture
def store(sound: Path, tmp_path: Path) -> Path:
    """A copy, to be spoilt."""
    return Path(shutil.copytree(sound, tmp_path / "copy.zarr"))


def chunk(store: Path, name: str, *at: str) -> Path:
    separated = ("/" if (store / "zarr.json").exists() else ".").join(at)
    return store / name / FORMATS[3 if (store / "zarr.json").exists() else 2].format(separated)


@pytest.mark.parametrize("spoil", SPOIL)
@pytest.mark.parametrize("name", CHUNKS)
@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")
def test_every_damaged_chunk_is_named(
    store: Path, name: str, spoil: Callable[[Path], None]
) -> None:
    file = chunk(store, name, *CHUNKS[name])
    spoil(file)
    with pytest.raises(InputError, match="restore that file from a copy, or") as refusal:
        everything(EpisodeStore.open(store))
    assert f"{store}: {file.relative_to(store)} is " in str(refusal.value)


def test_the_episodes_that_are_lost_are_told(store: Path) -> None:
    chunk(store, "data/action", "1", "0").unlink()  # Steps 100 to 199.
    opened = EpisodeStore.open(store)
    np.testing.assert_array_equal(opened.read_recording(0).actions, EPISODES[0].recording.actions)
    with pytest.raises(InputError, match=r"data/action of episodes 1 to 3 \(0 to 3 are there\)"):
        opened.read_recording(3)


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")
def test_plain_zarr_refuses_a_flipped_bit(store: Path) -> None:
    flip(chunk(store, "data/state", "0", "0"))
    with pytest.raises((RuntimeError, ValueError), match="Stored and computed"):
        zarr.open_group(store, mode="r")["data/state"][:]


def test_zeros_are_written_too(tmp_path: Path) -> None:
    one = episode(150)
    one.recording.successes[:] = False
    write(tmp_path / "s.zarr", one)
    assert {"0", "1"} <= {file.name for file in (tmp_path / "s.zarr/data/success").iterdir()}


def test_without_checksums_missing_chunks_are_zeros(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(*given: object) -> dict[str, object]:
        chain = codecs(*given)["filters"]
        return {"filters": chain[:-2], "compressors": chain[-2]}

    monkeypatch.setattr(arrays, "codecs", without)  # As this project wrote before schema 3.
    write(tmp_path / "s.zarr", episode(150))
    zarr.open_group(tmp_path / "s.zarr", mode="r+").attrs["schema_version"] = 2
    (tmp_path / "s.zarr/data/success/1").unlink()
    assert not EpisodeStore.open(tmp_path / "s.zarr").read("success", slice(100, None)).any()
    write(tmp_path / "s.zarr", episode(10))
    assert EpisodeStore.open(tmp_path / "s.zarr").episodes == 2


@pytest.mark.parametrize("keep", [0, 0.5, None])
@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")
def test_descriptions_that_were_cut_or_lost(store: Path, keep: float | None) -> None:
    files = [f for f in store.glob("*/*/*") if f.name in (".zarray", "zarr.json")]
    assert len(files) == 13
    for file in [store / ".zattrs", store / "zarr.json", *files]:
        if not file.exists():
            continue
        content = file.read_bytes()
        if keep is None:
            file.unlink()
        else:
            file.write_bytes(content[: int(keep * len(content))])
        with pytest.raises(InputError, match=r"description|not a store|has lost meta/episode_ends"):
            everything(EpisodeStore.open(store))
        with (
            pytest.raises(InputError),
            EpisodeStore.writing(store, PLAIN, {"identity": {"a": 1}}),
        ):
            pass
        file.write_bytes(content)
    assert EpisodeStore.open(store).episodes == 4


@pytest.mark.filterwarnings("ignore:Numcodecs codecs are not in the Zarr version 3")
@pytest.mark.parametrize("spoil", [flip, Path.unlink])
def test_a_damaged_store_is_not_continued_and_goes_on_once_restored(
    store: Path, sound: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    file = chunk(store, "data/reward", "2")  # The next episode goes into it.
    content = file.read_bytes()
    spoil(file)
    with pytest.raises(InputError, match="data/reward of episode 3"):
        write(store, episode(60, 4))
    file.write_bytes(content)
    write(store, episode(60, 4))
    shutil.copytree(sound, tmp_path / "other.zarr")
    write(tmp_path / "other.zarr", episode(60, 4))
    assert_equal(store, tmp_path / "other.zarr")


def test_a_shortened_array_is_not_continued(store: Path) -> None:
    zarr.open_group(store, mode="r+")["data/action"].resize((10, 28))
    with pytest.raises(InputError, match="data/action has 10 of 240 steps"):
        write(store, episode(60, 4))


def write_until(path: Path, episodes: int) -> None:
    """Write some episodes of two steps, and end without cutting off what is spare."""
    with EpisodeStore.writing(path, PLAIN, {"identity": {"a": 1}}) as store:
        for seed in range(episodes):
            store.append(episode(2, seed))
        os._exit(0)


@pytest.mark.parametrize(("episodes", "lost"), [(100, False), (103, True)])
def test_ends_that_were_lost_are_told_from_those_never_written(
    tmp_path: Path, episodes: int, lost: bool
) -> None:
    path, ends = tmp_path / "s.zarr", tmp_path / "s.zarr/meta/episode_ends"
    process = multiprocessing.get_context("fork").Process(target=write_until, args=(path, episodes))
    process.start()
    process.join()
    assert EpisodeStore.open(path).episodes == episodes
    assert (ends / "1").exists() == lost
    if lost:
        (ends / "1").unlink()
        with pytest.raises(InputError, match="meta/episode_ends/1 is missing, so that where"):
            EpisodeStore.open(path)
        with pytest.raises(InputError, match="meta/episode_ends/1 is missing, so that where"):
            write(path, episode(2))


def test_whoever_reads_it_says_so(tiny_store: Path, tmp_path: Path) -> None:
    spoilt = Path(shutil.copytree(tiny_store, tmp_path / "spoilt.zarr"))
    for name, at in (("state", "0.0"), ("point_cloud", "0.0.0")):
        file = spoilt / "data" / name / at
        content = file.read_bytes()
        flip(file)
        readers: dict[str, Callable[[], object]] = {
            "merge": lambda: merge(_merge_config(spoilt, tmp_path / "m.zarr")),
            "view": lambda: view(compose(ViewDataConfig, "views/data", [f"data={spoilt}"])),
            "training": lambda: load_windows([spoilt], history=2, horizon=4, chunk=3),
        }
        if name == "state":
            readers["render"] = lambda: render_again(_render_config(spoilt, tmp_path / "r.zarr"))
            readers["card"] = lambda: keep_card(spoilt)
        for reader in readers.values():
            with pytest.raises(InputError, match=f"data/{name}/{at} is not what was written"):
                reader()
        file.write_bytes(content)
    merge(_merge_config(spoilt, tmp_path / "m.zarr"))  # Nothing that was made is in the way.
    render_again(_render_config(spoilt, tmp_path / "r.zarr"))
    assert_equal(tmp_path / "r.zarr", tiny_store)


def _merge_config(data: Path, out: Path) -> MergeConfig:
    return compose(MergeConfig, "merge", [f"data=[{data}]", f"out={out}"])


def _render_config(data: Path, out: Path) -> RenderConfig:
    return compose(RenderConfig, "render", [f"data={data}", f"out={out}", "workers=0"])


def test_lost_clouds_are_drawn_again(tiny_store: Path, tmp_path: Path) -> None:
    spoilt, out = tmp_path / "spoilt.zarr", tmp_path / "again.zarr"
    shutil.copytree(tiny_store, spoilt)
    (spoilt / "data/point_cloud/0.0.0").unlink()
    line = refuse("datasets/merge.py", f"data=[{spoilt}]", f"out={tmp_path / 'm.zarr'}")
    assert "data/point_cloud/0.0.0 is missing" in line
    assert f"draw it again (datasets/render.py data={spoilt} out=...)" in line
    render_again(_render_config(spoilt, out))
    assert_equal(out, tiny_store)
