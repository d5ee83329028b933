"""Converting as a command: what it finds out for itself, where it stops, and what it refuses."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from configs.build import build
from datasets.formats.converter import resolve_target
from datasets.formats.detect import detect
from datasets.formats.incoming.importer import read_drifts
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.datasets.test_collect import assert_equal
from tests.helpers.commands import refuse, succeed
from tests.helpers.foreign_data import (
    convert_config,
    converted,
    make_demo,
    write_d4rl,
    write_dapg,
    write_dp3,
    write_minari,
    write_robomimic,
)
from tests.helpers.killing import grown, stop

h5py: Any = pytest.importorskip("h5py")


def test_a_key_that_python_reserves_fills_a_field_with_an_underscore(tmp_path: Path) -> None:
    config = convert_config("a.pickle", tmp_path / "b.zarr")
    assert config.from_ == "a.pickle"
    with pytest.raises(InputError, match=r"Unknown key from_; there are env, from, to"):
        build(type(config), {"from_": 1})


def test_the_content_tells_the_format(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_dapg(tmp_path / "dapg", "door", episodes=1, steps=2)
    write_d4rl(tmp_path / "d4rl", EpisodeStore.open(tiny_store))
    write_minari(monkeypatch, tmp_path, steps=2, with_states=False)
    write_dp3(tmp_path / "dp3")
    write_robomimic(tmp_path / "robomimic")
    for name in ("dapg", "d4rl", "dp3", "robomimic"):
        assert detect(tmp_path / name) == name
    assert detect(tmp_path / "tiny" / "door-v0") == "minari"
    assert detect(tiny_store) == "store"


def test_what_nobody_can_tell_is_refused_with_the_formats_there_are(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "folder").mkdir()
    for name in ("notes.txt", "folder"):
        with pytest.raises(InputError, match=r"no format that is read.*d4rl.*dapg.*dp3.*minari"):
            detect(tmp_path / name)
    with pytest.raises(InputError, match="There is no"):
        detect(tmp_path / "none")
    (tmp_path / "cut.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    with pytest.raises(InputError, match="damaged or cut off"):
        detect(tmp_path / "cut.hdf5")


def test_a_truncated_file_is_refused(tiny_store: Path, tmp_path: Path) -> None:
    write_d4rl(tmp_path / "door.hdf5", EpisodeStore.open(tiny_store))
    whole = (tmp_path / "door.hdf5").read_bytes()
    (tmp_path / "door.hdf5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged or cut off"):
        converted(tmp_path / "door.hdf5", tmp_path / "s.zarr")


@pytest.mark.parametrize(
    ("to", "target", "format_", "expected"),
    [
        ("a.zarr", "auto", "dapg", "store"),
        ("a.hdf5", "auto", "store", "robomimic"),
        ("folder", "auto", "store", "lerobot"),
        ("a.zarr", "dp3", "store", "dp3"),
    ],
)
def test_the_end_of_the_name_tells_the_target(
    to: str, target: str, format_: str, expected: str
) -> None:
    config = convert_config("x", Path(to), f"target={target}")
    assert resolve_target(config, format_) == expected


def test_targets_that_make_no_sense_are_refused(tiny_store: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="say target=dp3"):
        converted(tiny_store, tmp_path / "s.zarr")
    with pytest.raises(InputError, match="names no target"):
        converted(tiny_store, tmp_path / "s.txt")
    with pytest.raises(InputError, match="is what is read"):
        converted(tiny_store, tiny_store, "target=dp3")
    with pytest.raises(InputError, match="target=hdf5 is unknown; choose one of auto, store, dp3"):
        converted(tiny_store, tmp_path / "s.hdf5", "target=hdf5")
    write_dapg(tmp_path / "demos.pickle", "door", episodes=1, steps=2)
    with pytest.raises(InputError, match="format=pickle is unknown; choose one of auto, d4rl"):
        converted(tmp_path / "demos.pickle", tmp_path / "s.zarr", "format=pickle")
    with pytest.raises(InputError, match="convert it to a store first"):
        converted(tmp_path / "demos.pickle", tmp_path / "out.hdf5")


def test_a_killed_conversion_goes_on_to_the_same_store(tmp_path: Path) -> None:
    demos = [make_demo("door", seed, 9) for seed in range(25)]
    (tmp_path / "demos.pickle").write_bytes(pickle.dumps(demos))
    out = tmp_path / "out.zarr"
    command = (
        "datasets/convert.py", f"from={tmp_path / 'demos.pickle'}", f"to={out}", "workers=0",
        "points=64", "env.view.image_size=256",
    )  # fmt: skip
    assert stop(command, 0, begun=grown(out, 0))
    assert 0 < EpisodeStore.open(out).episodes < 25
    assert "25 episodes, 225 steps" in succeed(*command)
    whole = converted(tmp_path / "demos.pickle", tmp_path / "w.zarr", "env.view.image_size=256")
    assert_equal(out, whole.path)
    assert read_drifts(out) == read_drifts(whole.path)


def test_another_file_or_option_does_not_go_on(tmp_path: Path) -> None:
    write_dapg(tmp_path / "a.pickle", "door", episodes=1, steps=4)
    write_dapg(tmp_path / "b.pickle", "door", episodes=2, steps=4)
    converted(tmp_path / "a.pickle", tmp_path / "s.zarr")
    with pytest.raises(InputError, match="made by another command"):
        converted(tmp_path / "b.pickle", tmp_path / "s.zarr")
    with pytest.raises(InputError, match="made by another command"):
        converted(tmp_path / "a.pickle", tmp_path / "s.zarr", "start=state")


def test_the_command_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    out = f"to={tmp_path / 's.zarr'}"
    line = refuse("datasets/convert.py", f"from={tmp_path / 'none.hdf5'}", out)
    assert "There is no " in line
    with h5py.File(tmp_path / "empty.hdf5", "w") as file:
        file["observations"] = np.zeros((3, 39))
        file["actions"] = np.zeros((3, 28))
    line = refuse("datasets/convert.py", f"from={tmp_path / 'empty.hdf5'}", out)
    assert "empty.hdf5 lacks rewards; it has actions, observations" in line
    assert not (tmp_path / "s.zarr").exists()
