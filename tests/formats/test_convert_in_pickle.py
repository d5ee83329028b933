"""The pickle reader: arrays come through, and nothing else ever happens."""

import os
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.formats.shared import pickle_arrays as arrays_only
from datasets.formats.shared.pickle_arrays import load_arrays
from perception.errors import InputError

RNG = np.random.default_rng(0)
HARMLESS = [
    {
        "observations": RNG.normal(size=(5, 3)),
        "actions": np.asfortranarray(RNG.normal(size=(4, 2))),
    },
    OrderedDict(
        reward=np.float32(1.5), flags=np.array([True, False]), big=np.arange(3, dtype=">i4")
    ),
    ("text", 3, None, [np.arange(6, dtype=np.uint8).reshape(2, 3)], b"bytes"),
]


def save(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("core", ["numpy.core", "numpy._core"])
def test_arrays_and_containers_come_through(tmp_path: Path, protocol: int, core: str) -> None:
    content = pickle.dumps(HARMLESS, protocol)
    if protocol < 4:  # Names are lines there, and can be changed to what older NumPy wrote.
        content = content.replace(b"numpy._core", core.encode())
    read = load_arrays(save(tmp_path / "demos.pickle", content))
    np.testing.assert_array_equal(read[0]["observations"], HARMLESS[0]["observations"])
    np.testing.assert_array_equal(read[0]["actions"], HARMLESS[0]["actions"])
    np.testing.assert_array_equal(read[1]["big"], [0, 1, 2])
    assert (read[1]["reward"], read[1]["flags"].tolist()) == (1.5, [True, False])
    assert read[2][:3] == ("text", 3, None)
    assert read[2][3][0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert read[2][4] == b"bytes"


def test_what_python_2_wrote_comes_through(tmp_path: Path) -> None:
    # Written by hand as Python 2 and NumPy 1 did: bytes are plain strings there.
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x10"
        + np.array([1.5, -2.0]).tobytes()
        + b"tb."
    )
    assert load_arrays(save(tmp_path / "old.pickle", content)).tolist() == [1.5, -2.0]


OPEN = f"{open.__module__}.open"  # Of `io`, and from Python 3.13 on of `_io`.


class Hostile:
    """Asks for a call when it is read."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.function, self.arguments


def hostile_files(mark: Path) -> dict[str, bytes]:
    """Give files that leave a mark if anything of them runs, by the name each asks for."""
    python = f"open({str(mark)!r}, 'w').close()"
    victim = mark.with_suffix(".npy")
    np.save(victim, np.array([Hostile(os.system, f"touch {mark}")], object), allow_pickle=True)
    asked = {
        "posix.system": Hostile(os.system, f"touch {mark}"),
        "builtins.eval": Hostile(eval, python),
        "builtins.exec": Hostile(exec, python),
        "builtins.getattr": Hostile(getattr, np.zeros(1), "tofile"),
        OPEN: Hostile(open, str(mark), "w"),
        "numpy.save": Hostile(np.save, str(mark), 1),
        "numpy.memmap": Hostile(np.memmap, str(mark), "u1", "w+", 0, 1),
        "numpy.load": Hostile(np.load, str(victim), None, True),
    }
    files = {name: pickle.dumps([{"actions": one}], 3) for name, one in asked.items()}
    files["numpy.ndarray.tofile"] = (
        b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93\x8c" + _short(str(mark)) + b"\x85R."
    )
    return files


def _short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def test_a_hostile_pickle_does_nothing_and_is_refused_by_name(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    for name, content in hostile_files(mark).items():
        path = save(tmp_path / "door-v0_demos.pickle", content)
        with pytest.raises(InputError, match="is refused") as refusal:
            load_arrays(path)
        assert f"asks for {name};" in str(refusal.value)
        assert not mark.exists(), name


def test_the_hostile_files_would_have_done_something(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    for name in ("posix.system", "builtins.exec", OPEN, "numpy.load"):
        pickle.loads(hostile_files(mark)[name])
        assert mark.exists(), name
        mark.unlink()


@pytest.mark.parametrize(
    "array",
    [np.array([{}], object), np.zeros(2, [("a", "f8"), ("b", "O")]), np.zeros(2, "M8[s]")],
    ids=["objects", "records", "dates"],
)
def test_arrays_of_anything_but_numbers_and_text_are_refused(
    tmp_path: Path, array: np.ndarray
) -> None:
    with pytest.raises(InputError, match="no pickle of arrays"):
        load_arrays(save(tmp_path / "a.pickle", pickle.dumps(array, 2)))


def test_a_file_cannot_change_the_reader(tmp_path: Path) -> None:
    # BUILD on a looked-up word sets attributes of it: it must be a word of this file alone.
    spoil = b"\x80\x02cnumpy\ndtype\n(N}U\x0c__setstate__NstbN."
    before = dict(vars(arrays_only._Type))
    load_arrays(save(tmp_path / "spoil.pickle", spoil))
    assert dict(vars(arrays_only._Type)) == before


@pytest.mark.parametrize("keep", [1, 40, 200, -1])
def test_a_damaged_file_is_refused(tmp_path: Path, keep: int) -> None:
    whole = pickle.dumps(HARMLESS, 2)
    with pytest.raises(InputError, match="no pickle of arrays"):
        load_arrays(save(tmp_path / "cut.pickle", whole[:keep]))


def test_bytes_that_do_not_fill_their_shape_are_refused(tmp_path: Path) -> None:
    whole = bytearray(pickle.dumps(np.zeros((3, 4)), 2))
    place = whole.index(b"K\x03K\x04")
    whole[place + 1] = 200
    with pytest.raises(InputError, match="no pickle of arrays"):
        load_arrays(save(tmp_path / "wide.pickle", bytes(whole)))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no file"):
        load_arrays(tmp_path / "none.pickle")
