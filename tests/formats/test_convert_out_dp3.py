"""DP3's Zarr, read by zarr 2 in an environment of its own, as DP3 has it."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from datasets.collection.collector import collect
from datasets.formats import to_dp3
from datasets.store.store import EpisodeStore
from tests.conftest import collect_config
from tests.formats.test_convert_out import made_store, pictured_store

READER = Path(__file__).resolve().parents[1] / "helpers" / "zarr2_reader.py"
PINS = ("zarr==2.18.7", "numcodecs==0.15.1", "numpy==2.2.6")  # The last of zarr 2, on 3.11 to 3.13.
UNREACHABLE = ("new connection", "name resolution", "timed out", "from versions: none")


@pytest.fixture(scope="session")
def zarr2_python(pytestconfig: pytest.Config) -> Path:
    """Make an environment with zarr 2 once, in pytest's cache (about ten seconds)."""
    key = hashlib.sha256(" ".join((sys.version, *PINS)).encode()).hexdigest()[:8]
    folder = pytestconfig.cache.mkdir(f"zarr2-{key}")
    python, done = folder / "bin" / "python", folder / "installed"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", *PINS]
        tried = subprocess.run(install, capture_output=True, text=True, check=False)
        if tried.returncode and any(sign in tried.stderr for sign in UNREACHABLE):
            pytest.skip("pip reaches no package index, and zarr 2 is not installed here yet")
        assert tried.returncode == 0, tried.stderr
        done.touch()
    return python


@pytest.fixture(scope="session")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    """Three short real episodes with coloured clouds, depth, and pictures."""
    return pictured_store(tmp_path_factory.mktemp("data"), "colour=true")


def read_by_zarr2(python: Path, store: Path, values: dict[str, np.ndarray]) -> None:
    folder = store.with_suffix(".values")
    folder.mkdir()
    for name, array in values.items():
        np.save(folder / f"{name.replace('/', '-')}.npy", array)
    done = subprocess.run(
        [str(python), str(READER), str(store), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_zarr_2_reads_the_export(
    zarr2_python: Path, pictured: EpisodeStore, tmp_path: Path
) -> None:
    to_dp3.write(pictured, tmp_path / "dp3.zarr")
    names = ("point_cloud", "state", "action", "img", "depth")
    values = {f"data/{name}": pictured.read(name) for name in names}
    assert {name: str(array.dtype) for name, array in values.items()} == {
        "data/point_cloud": "float32",
        "data/state": "float32",
        "data/action": "float32",
        "data/img": "uint8",
        "data/depth": "float32",
    }
    ends = {"meta/episode_ends": np.array([12, 24, 36], np.int64)}
    read_by_zarr2(zarr2_python, tmp_path / "dp3.zarr", {**values, **ends})


def test_zarr_2_reads_our_own_store(zarr2_python: Path, tmp_path: Path) -> None:
    # Positions are 16-bit integers behind a codec there: readers see float32 nevertheless.
    collect(collect_config(tmp_path / "own.zarr", "images=[depth]"))
    store = EpisodeStore.open(tmp_path / "own.zarr")
    values = {f"data/{name}": store.read(name) for name in store.names}
    values |= {"meta/episode_ends": store.episode_ends, "meta/seed": store.read("meta/seed")}
    read_by_zarr2(zarr2_python, store.path, values)


def test_zarr_2_reads_what_a_finished_longer_store_holds(
    zarr2_python: Path, tmp_path: Path
) -> None:
    store = made_store(tmp_path / "s.zarr")
    to_dp3.write(store, tmp_path / "dp3.zarr")
    for path in (store.path, tmp_path / "dp3.zarr"):
        values = {f"data/{name}": store.read(name) for name in ("point_cloud", "state", "action")}
        read_by_zarr2(zarr2_python, path, {**values, "meta/episode_ends": store.episode_ends})


def test_the_layout_is_dp3s(pictured: EpisodeStore, tmp_path: Path) -> None:
    to_dp3.write(pictured, tmp_path / "dp3.zarr")
    group = zarr.open_group(tmp_path / "dp3.zarr", mode="r", zarr_format=2)
    arrays = dict(group["data"].arrays())
    assert sorted(arrays) == ["action", "depth", "img", "point_cloud", "state"]
    for array in arrays.values():
        assert array.chunks == (100, *array.shape[1:])
        assert array.metadata.filters is None
        assert array.metadata.compressor.codec_id == "blosc"
    assert arrays["point_cloud"].shape == (36, 64, 6)
    assert group.attrs["made_from"] == pictured.attributes


def test_what_dp3s_adroit_dataset_would_miss_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    to_dp3.write(made_store(tmp_path / "s.zarr"), tmp_path / "dp3.zarr")
    assert "AdroitDataset also reads pictures" in caplog.text
