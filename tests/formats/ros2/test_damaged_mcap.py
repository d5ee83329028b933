"""Recordings that are cut off, spoilt or hostile are refused, and the file is named."""

import importlib
import struct
from pathlib import Path

import numpy as np
import pytest

from datasets.cameras.ros2.contents import read_contents
from datasets.formats.detect import detect
from perception.errors import InputError
from tests.datasets.cameras.streaming import Step
from tests.formats.ros2.bags import scene_of
from tests.formats.ros2.definitions import DEFINITIONS
from tests.helpers.commands import refuse

STATE = "sensor_msgs/msg/JointState"


@pytest.fixture(scope="module")
def small(film: list[Step], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Write a short recording, packed in each way."""
    kinds = importlib.import_module("mcap.writer").CompressionType
    root, scene = tmp_path_factory.mktemp("small"), scene_of(film[:2])
    return {
        kind.name: scene.write(root / f"{kind.name}.mcap", compression=kind).read_bytes()
        for kind in kinds
    }


@pytest.mark.parametrize("kind", ["NONE", "LZ4", "ZSTD"])
def test_a_file_that_was_cut_off_is_refused_wherever_that_was(
    kind: str, small: dict[str, bytes], tmp_path: Path
) -> None:
    path, whole = tmp_path / "a.mcap", small[kind]
    path.write_bytes(whole)
    read_contents(path)
    for length in np.linspace(8, len(whole) - 1, 40).astype(int):
        path.write_bytes(whole[:length])
        assert detect(path) == "mcap"
        with pytest.raises(InputError, match=r"a.mcap is damaged or was cut off .*mcap recover"):
            read_contents(path)


def outcome(path: Path) -> str:
    try:
        return repr(read_contents(path))
    except InputError as error:
        return f"refused: {error}"


@pytest.mark.parametrize("kind", ["NONE", "LZ4", "ZSTD"])
def test_a_flipped_bit_is_met_and_no_stated_length_is_believed(
    kind: str, small: dict[str, bytes], tmp_path: Path
) -> None:
    path, whole = tmp_path / "a.mcap", small[kind]
    path.write_bytes(whole)
    sound = outcome(path)
    rng, refusals = np.random.default_rng(0), 0
    for place in rng.integers(8, len(whole) - 8, 40):
        for spoilt in (bytes([whole[place] ^ 1]), struct.pack("<Q", 2**62), b"\xff" * 8):
            path.write_bytes(whole[:place] + spoilt + whole[place + len(spoilt) :])
            if (said := outcome(path)) != sound:  # The index at the end is not read.
                refusals += 1
                assert said.startswith("refused")
                assert path.name in said
    assert refusals > 60


def test_a_message_that_claims_more_than_it_has_is_refused(
    film: list[Step], tmp_path: Path
) -> None:
    scene = scene_of(film[:1])
    path = scene.write(tmp_path / "a.mcap", enable_crcs=False, compression=no_compression())
    whole = path.read_bytes()
    # The sequence of names of the joint states: its length stands before the first name.
    name = whole.index(b"joint0\0") - 8
    assert struct.unpack_from("<I", whole, name) == (24,)
    for claimed in (25, 2**20, 2**32 - 1):
        path.write_bytes(whole[:name] + struct.pack("<I", claimed) + whole[name + 4 :])
        with pytest.raises(InputError, match=r"/joint_states: .*(struct|unpack|names|decode)"):
            read_contents(path)


def no_compression() -> object:
    return importlib.import_module("mcap.writer").CompressionType.NONE


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("float64[] effort", "float64[0] effort", "the definition of sensor_msgs/JointState"),
        ("float64[] effort", "sensor_msgs/Else effort", "a message of /joint_states"),
        ("float64[] position", "float32[] position", "without float64.. position: it is none"),
        ("string[] name", "", "without string.. name"),
        ("string frame_id", "string frame_id\n!", "the definition of sensor_msgs/JointState"),
    ],
)
def test_a_definition_that_is_none_of_ros_2_is_refused(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.mcap"
    library = importlib.import_module("mcap.writer")
    definition = DEFINITIONS[STATE].replace(old, new).encode()
    with path.open("wb") as file:
        writer = library.Writer(file)
        writer.start()
        kind = writer.register_schema(STATE, "ros2msg", definition)
        writer.add_message(writer.register_channel("/joint_states", "cdr", kind), 0, b"\0\1\0\0", 0)
        writer.finish()
    with pytest.raises(InputError, match=message):
        read_contents(path)


def test_another_encoding_is_named(tmp_path: Path) -> None:
    library = importlib.import_module("mcap.writer")
    path = tmp_path / "a.mcap"
    for schema, written, named in (("ros1msg", "ros1", "ROS 1"), ("ros2idl", "cdr", "ros2idl")):
        with path.open("wb") as file:
            writer = library.Writer(file)
            writer.start()
            kind = writer.register_schema("sensor_msgs/msg/Image", schema, b"")
            channel = writer.register_channel("/depth", written, kind)
            writer.add_message(channel, 0, b"", 0)
            writer.finish()
        with pytest.raises(InputError, match=f"/depth are written as {named}, and those of ROS 2"):
            read_contents(path)


def test_without_the_library_its_extra_is_named(
    small: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.mcap"
    path.write_bytes(small["ZSTD"])

    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(InputError, match=r"pip install -e '.\[mcap\]'"):
        read_contents(path)


def test_the_command_says_it_in_one_line(
    small: dict[str, bytes], seen: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "a.mcap"
    path.write_bytes(small["ZSTD"][:-40])
    given = [f"from={path}", f"to={tmp_path / 'a.zarr'}", *seen]
    assert "is damaged or was cut off" in refuse("datasets/convert.py", *given)
