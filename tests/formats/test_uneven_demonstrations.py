"""Demonstrations that do not fit together are refused in one line, before any is written."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception.errors import InputError
from tests.helpers.foreign_data import POINTS, STEPS, converted, write_robomimic

h5py: Any = pytest.importorskip("h5py")

Spoil = Callable[[Any], object]


def put(key: str, values: object, group: str = "data/demo_10") -> Spoil:
    def spoil(file: Any) -> None:  # noqa: ANN401 (h5py has no types)
        if key in file[group]:
            del file[group][key]
        if values is not None:
            file[group][key] = values

    return spoil


def one_number(key: str, at: tuple[int, ...], value: float) -> Spoil:
    def spoil(file: Any) -> None:  # noqa: ANN401
        array = file[f"data/demo_10/{key}"]
        array[at] = value

    return spoil


def every(key: str, shape: tuple[int, ...]) -> Spoil:
    def spoil(file: Any) -> None:  # noqa: ANN401
        for name in file["data"]:
            steps = len(file[f"data/{name}/rewards"])
            put(key, np.ones((steps, *shape)), f"data/{name}")(file)

    return spoil


def empty(file: Any) -> None:  # noqa: ANN401
    file.copy("data/demo_2", "data/demo_3")
    for key in ("actions", "rewards", "dones", "states"):
        put(key, file[f"data/demo_2/{key}"][:0], "data/demo_3")(file)


N = STEPS - 5
ROBOMIMIC: dict[str, tuple[Spoil, str]] = {
    "points": (put("obs/point_cloud", np.ones((N, 9, 6))), r"demo_10: obs/point_cloud is \(7, 9"),
    "colour": (put("obs/point_cloud", np.ones((N, POINTS, 3))), r"obs/point_cloud is \(7, 32, 3\)"),
    "no cloud": (put("obs/point_cloud", None), "demo_10/obs has no point_cloud"),
    "cloud short": (put("obs/point_cloud", np.ones((6, POINTS, 6))), "7 actions, but 6 of obs/poi"),
    "action": (put("actions", np.ones((N, 7))), r"demo_10: actions is \(7, 7\), but \(5, 28\)"),
    "flat action": (every("actions", ()), r"actions is \(5,\).*reshape it to \(5, 1\)"),
    "state": (put("obs/robot0_eef_pos", np.ones((N, 4))), "robot0_eef_pos is .7, 4., but .5, 3."),
    "states": (put("states", np.ones((N, 9))), r"demo_10: states is \(7, 9\)"),
    "no rewards": (put("rewards", None), "demo_2 has rewards, demo_10 has none"),
    "rewards": (every("rewards", (2,)), "one number a step is expected"),
    "empty": (empty, r"demo_3 holds no step: actions is \(0, 28\)"),
    "text": (put("rewards", np.array([b"a"] * N)), "data/demo_10/rewards holds no numbers"),
    "objects": (put("rewards", np.array(["a"] * N, object)), "holds no numbers, but object"),
    "scalar": (put("rewards", 3.0), "data/demo_10/rewards is a single number"),
    "name": (lambda f: f.move("data/demo_10", "data/demo_x"), "data/demo_x has no number behind"),
    "a nan": (one_number("actions", (3, 4), np.nan), "demo_10/actions holds NaN .* at step 3"),
    "a nan point": (one_number("obs/point_cloud", (2, 4, 0), np.inf), "point_cloud .* at step 2"),
    "a nan reward": (one_number("rewards", (6,), np.nan), "demo_10/rewards holds NaN"),
    "an empty cloud": (put("obs/point_cloud", np.zeros((N, POINTS, 6))), "step 0 is all zeros"),
    "dones": (put("dones", np.full(N, 0.5)), "dones holds 0.5; only 0 and 1"),
    "soft link": (put("actions", h5py.SoftLink("/lost")), "actions is a link to /lost"),
    "outer link": (put("actions", h5py.ExternalLink("a.hdf5", "/b")), "is a link to a.hdf5/b"),
    "demo is an array": (put("demo_11", np.ones(3), "data"), "data/demo_11 is an array"),
}


@pytest.mark.parametrize("name", ROBOMIMIC)
def test_robomimic(tmp_path: Path, name: str) -> None:
    spoil, message = ROBOMIMIC[name]
    source = write_robomimic(tmp_path / "theirs.hdf5")
    with h5py.File(source, "r+") as file:
        spoil(file)
    with pytest.raises(InputError, match=f"theirs.hdf5.*{message}"):
        converted(source, tmp_path / "s.zarr", "points=null", "task=mine")
    assert not (tmp_path / "s.zarr").exists()


def test_a_group_where_an_array_is_expected(tmp_path: Path) -> None:
    source = write_robomimic(tmp_path / "theirs.hdf5")
    with h5py.File(source, "r+") as file:
        del file["data/demo_2/actions"]
        file["data/demo_2/actions/left"] = np.ones((5, 28))
    with pytest.raises(InputError, match="data/demo_2/actions is a group; an array is expected"):
        converted(source, tmp_path / "s.zarr", "points=null", "task=mine")


def test_points_make_demonstrations_alike_that_differ_in_them(tmp_path: Path) -> None:
    source = write_robomimic(tmp_path / "theirs.hdf5")
    with h5py.File(source, "r+") as file:
        put("obs/point_cloud", np.ones((N, 9, 3)))(file)
    store = converted(source, tmp_path / "s.zarr", "points=16", "colour=false", "task=mine")
    assert store.read("point_cloud").shape == (STEPS, 16, 3)


def test_a_demonstration_may_have_one_step(tmp_path: Path) -> None:
    source = write_robomimic(tmp_path / "theirs.hdf5")
    with h5py.File(source, "r+") as file:
        file.copy("data/demo_2", "data/demo_3")
        for key in ("actions", "rewards", "dones", "states"):
            put(key, file[f"data/demo_2/{key}"][:1], "data/demo_3")(file)
        for key in file["data/demo_2/obs"]:
            put(f"obs/{key}", file[f"data/demo_2/obs/{key}"][:1], "data/demo_3")(file)
    store = converted(source, tmp_path / "s.zarr", "points=null", "task=mine")
    assert store.episode_ends.tolist() == [5, 6, 13]


def test_half_a_file_and_a_packed_one(tmp_path: Path) -> None:
    whole = write_robomimic(tmp_path / "theirs.hdf5").read_bytes()
    for name, data, message in (
        ("half.hdf5", whole[: len(whole) // 2], "damaged or cut off"),
        ("theirs.hdf5.gz", gzip.compress(whole), "unpack it"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=message):
            converted(tmp_path / name, tmp_path / "s.zarr", "task=mine")


def write_minari_by_hand(folder: Path) -> Path:
    """Two episodes of the door's sizes, with states that are zeros."""
    (folder / "data").mkdir(parents=True)
    (folder / "data/metadata.json").write_text(json.dumps({"dataset_id": "a/b-v0"}))
    with h5py.File(folder / "data/main_data.hdf5", "w") as file:
        for index, steps in enumerate((4, 6)):
            sizes = {"qpos": 30, "qvel": 30, "door_body_pos": 3}
            arrays = {f"infos/state/{key}": (steps + 1, size) for key, size in sizes.items()}
            arrays |= {"observations": (steps + 1, 39), "actions": (steps, 28)}
            for key, shape in {**arrays, "rewards": (steps,), "terminations": (steps,)}.items():
                file[f"episode_{index}/{key}"] = np.zeros(shape)
    return folder


MINARI: dict[str, tuple[Spoil, str]] = {
    "name": (lambda f: f.move("episode_1", "episode_x"), "episode_x has no number behind episode_"),
    "one observation less": (
        put("observations", np.zeros((6, 39)), "episode_1"), "6 actions, but 6 of observations",
    ),
    "states": (put("infos/state/qpos", np.zeros((7, 31)), "episode_1"), "qpos is .7, 31., but"),
    "all states": (
        lambda f: [
            put(f"infos/state/{key}", np.zeros((len(f[e]["actions"]) + 1, 9)), e)(f)
            for e in f
            for key in ("qpos", "qvel")
        ],
        "episode_0: A state of this task has 30 joints, 30 velocities",
    ),
    "a nan": (put("infos/state/qpos", np.full((7, 30), np.nan), "episode_1"), "qpos holds NaN"),
    "huge": (
        put("infos/state/qpos", np.full((7, 30), 1e30), "episode_1"), "numbers beyond 1e.10",
    ),
    "no state": (put("infos/state/qpos", None, "episode_1"), "infos/state/.*, episode_1 has none"),
    "no number": (put("infos/state/qpos", np.array([b"a"] * 7), "episode_1"), "holds no numbers"),
    "other task": (put("actions", np.zeros((6, 26)), "episode_1"), r"actions is \(6, 26\)"),
}  # fmt: skip


@pytest.mark.parametrize("name", MINARI)
def test_minari(tmp_path: Path, name: str) -> None:
    spoil, message = MINARI[name]
    source = write_minari_by_hand(tmp_path / "theirs")
    with h5py.File(source / "data/main_data.hdf5", "r+") as file:
        spoil(file)
    with pytest.raises(InputError, match=message):
        converted(source, tmp_path / "s.zarr")
    assert not (tmp_path / "s.zarr").exists()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"observations": 3, "actions": 4}, "observations is a single number"),
        ({"observations/qpos": np.ones((5, 14)), "actions": np.ones((5, 14))}, "is a group"),
        ({"observations": np.ones((5, 39)), "actions": np.ones(5)}, "lacks rewards"),
    ],
)
def test_d4rl(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with h5py.File(tmp_path / "flat.hdf5", "w") as file:
        for key, values in arrays.items():
            file[key] = values
    with pytest.raises(InputError, match=f"flat.hdf5.*{message}"):
        converted(tmp_path / "flat.hdf5", tmp_path / "s.zarr")


def test_d4rl_of_single_steps(tmp_path: Path) -> None:
    sizes = {"observations": 39, "actions": 28, "infos/qpos": 30, "infos/qvel": 30}
    with h5py.File(tmp_path / "flat.hdf5", "w") as file:
        for key, size in {**sizes, "infos/door_body_pos": 3}.items():
            file[key] = np.zeros((5, size))
        file["rewards"], file["terminals"] = np.zeros(5), np.ones(5, bool)
    with pytest.raises(InputError, match="every episode has one step"):
        converted(tmp_path / "flat.hdf5", tmp_path / "s.zarr")
    with pytest.raises(InputError, match=r"choose env\.success=dp3"):
        converted(tmp_path / "flat.hdf5", tmp_path / "s.zarr", "env.success=farama")
