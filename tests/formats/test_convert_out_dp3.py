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
from datasets.formats.shared.drawn_pictures import CloudPictures, known_camera
from datasets.store.store import EpisodeStore
from envs.make import make_scene, make_simulator
from tests.conftest import collect_config
from tests.formats.test_convert_out import made_store, pictured_store
from tests.helpers.foreign_data import as_store, clouds, write_dp3

READER = Path(__file__).with_name("zarr2_reader.py")
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


LOADED = ("state", "action", "point_cloud", "img")  # What DP3's AdroitDataset asks for.


def test_pictures_are_drawn_of_the_recorded_scene(
    zarr2_python: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    collect(collect_config(tmp_path / "own.zarr"))
    store = EpisodeStore.open(tmp_path / "own.zarr")
    with caplog.at_level("INFO"):
        to_dp3.write(store, tmp_path / "dp3.zarr")
    assert "`img` shows the recorded simulator state in flat colours" in caplog.text
    env = store.env
    scene = make_scene(make_simulator(env), env)
    scene.put(store.read("sim_state")[-1])
    size = (env.view.image_size, env.view.image_size)
    img = zarr.open_array(tmp_path / "dp3.zarr/data/img", mode="r")
    np.testing.assert_array_equal(img[-1], scene.picture(env.view.cameras[0], size))
    values = {f"data/{name}": store.read(name) for name in LOADED[:-1]}
    values |= {"data/img": np.asarray(img), "meta/episode_ends": store.episode_ends}
    read_by_zarr2(zarr2_python, tmp_path / "dp3.zarr", values)


@pytest.mark.parametrize("channels", [3, 6])
def test_without_a_simulator_the_points_are_drawn(
    zarr2_python: Path, tmp_path: Path, channels: int
) -> None:
    theirs = write_dp3(tmp_path / "theirs.zarr", points=clouds(channels))
    store = as_store(theirs, tmp_path / "ours.zarr", "task=mine")
    to_dp3.write(store, tmp_path / "dp3.zarr")
    group = zarr.open_group(tmp_path / "dp3.zarr", mode="r")
    img = np.asarray(group["data/img"])
    assert img.shape == (store.steps, 84, 84, 3)
    painted = (img < 255).any(axis=-1).mean(axis=(1, 2))
    assert (painted > 0.005).all()
    assert (painted < 0.5).all()
    assert "drawn for DP3's loader: the points" in str(group.attrs["img_is"])
    assert group.attrs["made_from"]["units"] == "as recorded"
    values = {f"data/{name}": store.read(name) for name in LOADED[:-1]} | {"data/img": img}
    read_by_zarr2(zarr2_python, tmp_path / "dp3.zarr", values)


def test_the_stores_own_camera_shows_the_points(tmp_path: Path) -> None:
    collect(collect_config(tmp_path / "own.zarr", "colour=true", "points=512"))
    store = EpisodeStore.open(tmp_path / "own.zarr")
    camera = known_camera(store.attributes["cameras"])
    assert camera is not None
    size = store.env.view.image_size
    assert (camera.width, camera.height) == (size, size)
    shown = CloudPictures.of(store, camera).draw(slice(0, 1))[0]
    scene = make_scene(make_simulator(store.env), store.env)
    scene.put(store.read("sim_state")[0])
    drawn = scene.picture(store.env.view.cameras[0], (size, size))
    points = (shown < 255).any(axis=-1)
    behind = (drawn < 255).any(axis=-1)
    assert (points & behind).sum() > 0.9 * points.sum()


@pytest.mark.parametrize("said", [None, {}, {"top": 3}, {"top": {"intrinsics": [1, 2]}}])
def test_cameras_that_are_not_described_are_not_used(said: object) -> None:
    assert known_camera(said) is None


def test_of_several_cameras_the_first_is_img(tmp_path: Path) -> None:
    store = pictured_store(tmp_path, "cameras=[top,vil_camera]")
    to_dp3.write(store, tmp_path / "dp3.zarr")
    group = zarr.open_group(tmp_path / "dp3.zarr", mode="r")
    np.testing.assert_array_equal(np.asarray(group["data/img"]), store.read("img_top"))
    assert group.attrs["img_is"] == "a copy of img_top"
