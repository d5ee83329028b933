"""Single flipped bits over the files of a store: the same is read, or one line says what is not."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from datasets.store.chunk_codecs import StoreFormat
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.helpers.killing import everything
from tests.helpers.made_up import episode, write

FLIPS_OF_CHUNKS = 20  # Each chunk has a checksum over all its bytes; of descriptions, more.
FLIPS_OF_DESCRIPTIONS = 100
DESCRIPTIONS = (".zarray", ".zattrs", ".zgroup", "zarr.json")


@pytest.fixture(params=[2, 3])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A store of three episodes, some hundred steps together."""
    path = tmp_path / "s.zarr"
    episodes = [episode(40, seed) for seed in range(3)]
    write(path, *episodes, format_=StoreFormat(request.param, 0.09))
    EpisodeStore.open(path).add_array("feature", [np.ones((120, 2), np.float32)], {"of": "x"})
    return path


def read_all(path: Path) -> dict[str, np.ndarray]:
    """Read everything that a store says and holds."""
    opened = EpisodeStore.open(path)
    said = {"attributes": repr(opened.attributes), "feature": repr(opened.about("feature"))}
    values = {**everything(opened), "ends": opened.episode_ends}
    return {**values, **{name: np.array(text) for name, text in said.items()}}


def flips(files: list[Path], count: int | None) -> Iterator[tuple[Path, int, int]]:
    """Choose bits of files: all, or so many of them."""
    every = [
        (file, byte, bit) for file in files for byte in range(file.stat().st_size)
        for bit in range(8)
    ]  # fmt: skip
    yield from every if count is None else random.Random(0).sample(every, count)


def silently_wrong(path: Path, bits: Iterator[tuple[Path, int, int]]) -> list[str]:
    """Flip bits one at a time; name those that are read as something else."""
    expected, wrong = read_all(path), []
    for file, byte, bit in bits:
        content = file.read_bytes()
        changed = bytearray(content)
        changed[byte] ^= 1 << bit
        file.write_bytes(bytes(changed))
        try:
            read = read_all(path)
        except InputError:
            same = True
        else:
            same = read.keys() == expected.keys() and all(
                np.array_equal(read[name], expected[name]) for name in expected
            )
        if not same:
            wrong.append(f"{file.relative_to(path)} byte {byte} bit {bit}")
        file.write_bytes(content)
    return wrong


@pytest.mark.filterwarnings("ignore")
def test_no_flipped_bit_reads_as_something_else(store: Path) -> None:
    files = sorted(file for file in store.rglob("*") if file.is_file())
    described = [file for file in files if file.name in DESCRIPTIONS]
    chunks = [file for file in files if file not in described]
    assert not silently_wrong(store, flips(described, FLIPS_OF_DESCRIPTIONS))
    assert not silently_wrong(store, flips(chunks, FLIPS_OF_CHUNKS))


@pytest.mark.filterwarnings("ignore")
def test_no_flipped_bit_of_the_ends_deletes_episodes(store: Path) -> None:
    """The length of the ends, bit by bit: the next writer keeps every episode."""
    name = "meta/episode_ends/zarr.json" if (store / "zarr.json").exists() else (
        "meta/episode_ends/.zarray"
    )  # fmt: skip
    expected = EpisodeStore.open(store).read("state")
    content = (store / name).read_bytes()
    at = content.index(b"3", content.index(b'"shape"'))
    for bit in range(8):
        copy = Path(shutil.copytree(store, store.with_name(f"{bit}.zarr")))
        changed = bytearray(content)
        changed[at] ^= 1 << bit
        (copy / name).write_bytes(bytes(changed))
        try:
            write(copy, episode(40, 3))
        except InputError:
            continue
        read = EpisodeStore.open(copy).read("state")
        assert len(read) == 160
        np.testing.assert_array_equal(read[:120], expected)
