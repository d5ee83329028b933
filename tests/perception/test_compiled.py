"""What is compiled is kept, said once, made anew where it is damaged, and works where nothing can
be kept."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT

KERNEL = """
import logging
import sys
sys.path.insert(0, {root!r})
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
from perception.compiled import fast

@fast
def add(a, b):
    return a + b

@fast
def twice(a):
    return add(a, a)

print(twice({value}))
"""
SAID = "compiling for this machine (once, up to a minute)"
Start = Callable[..., list[str]]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Run a small kernel in a process of its own, and give what it said."""
    script = tmp_path / "source" / "kernel.py"
    script.parent.mkdir()
    script.write_text(KERNEL.format(root=str(ROOT), value=21))

    def run(**variables: str) -> list[str]:
        kept = {"NUMBA_CACHE_DIR": str(tmp_path / "kept"), **variables}
        done = subprocess.run(
            [sys.executable, script],
            env={**os.environ, **kept},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    return run


def test_it_is_said_once_and_damaged_files_are_made_anew(start: Start, tmp_path: Path) -> None:
    assert start() == [SAID, "42"]
    assert start() == ["42"]
    files = sorted((tmp_path / "kept").rglob("*.nb[ic]"))
    assert len(files) == 4
    code = next(path for path in files if "twice" in path.name and path.suffix == ".nbc")
    index = next(path for path in files if "twice" in path.name and path.suffix == ".nbi")
    damages: list[tuple[Path, Callable[[bytes], bytes]]] = [
        (code, lambda content: flipped(content, len(content) // 2)),
        (code, lambda content: content[: len(content) // 2]),
        (code, lambda content: b""),
        (code, lambda content: content[:-32]),  # As Numba itself writes it.
        (index, lambda content: flipped(content, 20)),
        (index, lambda content: content[:10]),
        (index, lambda content: b""),
    ]
    for path, damage in damages:
        path.write_bytes(damage(path.read_bytes()))
        assert start() == [SAID, "42"]
    assert start() == ["42"]


def flipped(content: bytes, index: int) -> bytes:
    return content[:index] + bytes([content[index] ^ 4]) + content[index + 1 :]


def test_nothing_is_compiled_twice_where_no_folder_can_be_written(
    start: Start, tmp_path: Path
) -> None:
    blocked = tmp_path / "a file"
    blocked.touch()
    (tmp_path / "source" / "__pycache__").touch()  # In the way of Numba's folder, also for root.
    nowhere = {
        "NUMBA_CACHE_DIR": str(blocked),
        "HOME": str(blocked),
        "XDG_CACHE_HOME": str(blocked),
    }
    first, second, result = start(**nowhere, TMPDIR=str(tmp_path))
    assert first.startswith("what is compiled cannot be kept here")
    assert (second, result) == (SAID, "42")
    assert not list(tmp_path.glob("compiled-*"))  # Nothing is left behind.
