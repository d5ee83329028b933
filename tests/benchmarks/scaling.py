"""Stores of millions of steps: files, bytes, memory, and how fast windows come.

    python tests/benchmarks/scaling.py STORE FOLDER [1m] [10m]

Needs a real store whose episodes end at steps 10,000 and 20,000, as those of Meta-World do (among
others), and 15 GB at FOLDER, where it leaves nothing. Its first 20,000 steps, with 64 points of
each cloud, are repeated: the same chunks under further names. At ten million they are not decoded,
which would only take ten times as long: the map is repeated, too. Times are those of the processor,
so that what else runs does not count; nor does waiting for a disk.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import json
import logging
import multiprocessing
import os
import shlex
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from datasets.episode import Episode
from datasets.store.arrays import StoreArrays
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.decoding import version_of
from datasets.store.episode_ends import CHUNK_EPISODES, ENDS
from datasets.store.episodes import CHUNK_STEPS
from datasets.store.group import open_group
from datasets.store.store import EpisodeStore
from datasets.windows import load_windows
from tests.benchmarks.timing import Entry, entry, write

STEPS, POINTS, SHARDS = 20_000, 64, 100
FORMATS = {"chunks": StoreFormat(2, 0.09), "shards": StoreFormat(3, 0.09, SHARDS)}
BATCH, DRAWN = 256, 400  # Windows in a batch, and batches.

SIZES = {"1m": 50, "10m": 500}  # How often the steps are repeated.
BESIDE = f"Zarr 2, a file for each 100 steps; ours: Zarr 3, shards={SHARDS}"

Figures = dict[str, float]
Row = tuple[str, float, float, str, str]
Stores = dict[str, Path]
logger = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> None:
    """Measure, and write results/benchmarks/scale_1m.json and scale_10m.json, or the one named."""
    source, folder = map(Path, arguments[:2])
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    command = shlex.join(["python", "tests/benchmarks/scaling.py", "STORE", "FOLDER"])
    try:
        bases = {name: begin(source, folder / f"{name}.zarr", of) for name, of in FORMATS.items()}
        for name in arguments[2:] or SIZES:
            stores = {kind: repeat(base, SIZES[name]) for kind, base in bases.items()}
            found = SIDES[name](stores, bases["shards"], folder / "map")
            write(f"scale_{name}", [replace(one, command=command) for one in found])
    finally:
        for each in folder.glob("*.zarr"):
            shutil.rmtree(each)
        shutil.rmtree(folder / "map", ignore_errors=True)


def begin(source: Path, out: Path, format_: StoreFormat) -> Path:
    """Write the steps that are repeated, whole episodes without a word of where they come from."""
    store = EpisodeStore.open(source)
    ends = store.episode_ends
    with EpisodeStore.writing(out, format_, store.attributes) as target:
        while target.steps < STEPS:  # As many at once as are in a shard.
            some = np.flatnonzero(ends <= target.steps + SHARDS * CHUNK_STEPS)[target.episodes :]
            target.append(*(_bare(store.read_episode(index)) for index in some))
    return out


def _bare(episode: Episode) -> Episode:
    recording = replace(episode.recording, provenance=None)
    return Episode(recording, episode.points[:, :POINTS])


def repeat(base: Path, times: int) -> Path:
    """Make a store that holds another so many times: the same chunks under further names."""
    out = base.with_name(f"{times}-{base.name}")
    shutil.copytree(base, out, copy_function=os.link)
    sharded = (base / "zarr.json").exists()
    for array in (base / "data").iterdir():
        place = array / "c" if sharded else array
        chunks = [file for file in place.rglob("*") if file.is_file() and file.name[0] != "."]
        names = [str(file.relative_to(place)).replace("/", ".").split(".") for file in chunks]
        for k in range(1, times):
            for file, (number, *rest) in zip(chunks, names, strict=True):
                name = [str(int(number) + k * len(chunks)), *rest]
                target = out / place.relative_to(base) / ("/" if sharded else ".").join(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(file, target)
    ends = EpisodeStore.open(base).episode_ends
    every = (np.arange(times)[:, None] * STEPS + ends).ravel()
    arrays = StoreArrays(out, open_group(out, "r+"))
    arrays.write(ENDS, every, 0, chunk=CHUNK_EPISODES)
    arrays.commit({"data": times * STEPS, "meta": len(every)})
    return out


def one_million(stores: Stores, _: Path, folder: Path) -> list[Entry]:
    """Decode both kinds into a map, and one into memory; draw windows from either."""
    mapped = apart(stores["shards"], folder)
    size = bytes_of(folder)
    shutil.rmtree(folder)
    other = apart(stores["chunks"], folder)
    memory = apart(stores["shards"], None)
    return of_one_million(stores, mapped, other, memory, size)


def of_one_million(
    stores: Stores, mapped: Figures, other: Figures, memory: Figures, size: float
) -> list[Entry]:
    """Set the figures of a million transitions side by side."""
    steps, kept = 50 * STEPS, "pretrain.memory=ram"
    rows: list[Row] = [
        ("decoded into the map", steps / mapped["decode"], steps / other["decode"],
         "transitions/s", BESIDE),
        ("memory without the map's pages, memory=map", mapped["held"], memory["held"], "GB", kept),
        ("memory with the map's pages at their most, memory=map", mapped["peak"], memory["peak"],
         "GB", kept),
        ("the map on disk", size, size_of(stores["shards"])["on disk"], "GB", "the store itself"),
        ("windows drawn, memory=map", mapped["rate"], memory["rate"], "windows/s", kept),
    ]  # fmt: skip
    return [*on_disk(stores), *entries(steps, rows)]


def ten_million(stores: Stores, base: Path, folder: Path) -> list[Entry]:
    """Draw windows from a map that repeats that of the store that is repeated."""
    small = folder.with_name("small")
    one = apart(base, small)
    mapped = apart(stores["shards"], repeated_map(small, stores["shards"], folder))
    shutil.rmtree(small)
    size = bytes_of(folder)
    rows: list[Row] = [
        ("memory without the map's pages, memory=map", mapped["held"], size, "GB",
         "the arrays that memory=ram would hold: reckoned"),
        ("the map on disk", size, size_of(stores["shards"])["on disk"], "GB", "the store itself"),
        ("windows drawn, memory=map", mapped["rate"], one["rate"], "windows/s",
         f"a map of {STEPS:,} transitions, which the processor's caches help"),
    ]  # fmt: skip
    return [*on_disk(stores), *entries(500 * STEPS, rows)]


def repeated_map(small: Path, store: Path, folder: Path) -> Path:
    """Make the map that decoding a repeated store would make, out of that of a part."""
    folder.mkdir()
    opened = EpisodeStore.open(store)
    for file in small.glob("*.npy"):
        part = np.load(file, mmap_mode="r", allow_pickle=False)
        shape = (opened.steps, *part.shape[1:])
        whole = np.lib.format.open_memmap(folder / file.name, "w+", part.dtype, shape)
        for start in range(0, opened.steps, STEPS):
            whole[start : start + STEPS] = part
        record = json.dumps([version_of(opened, file.stem)])
        (folder / f"{file.stem}.json").write_text(record, encoding="utf-8")
    return folder


SIDES = {"1m": one_million, "10m": ten_million}


def on_disk(stores: Stores) -> list[Entry]:
    """Count the files of both kinds, and their bytes."""
    chunks, shards = (size_of(stores[name]) for name in ("chunks", "shards"))
    units = {"files": "files", "on disk": "GB"}
    rows = [(what, shards[what], chunks[what], unit, BESIDE) for what, unit in units.items()]
    return entries(EpisodeStore.open(stores["shards"]).steps, rows)


def entries(steps: int, rows: Sequence[Row]) -> list[Entry]:
    """Name what was measured of so many transitions."""
    count = f"{steps:,} transitions of {POINTS} points"
    return [
        entry(f"{count}: {what}", ours=ours, reference=reference, unit=unit, reference_is=text)
        for what, ours, reference, unit, text in rows
    ]


def bytes_of(folder: Path) -> float:
    """Sum up the arrays of a map, in GB."""
    return sum(file.stat().st_size for file in folder.glob("*.npy")) / 1e9


def size_of(store: Path) -> Figures:
    """Count files, and their bytes."""
    files = [file for file in store.rglob("*") if file.is_file()]
    return {"files": len(files), "on disk": sum(file.stat().st_size for file in files) / 1e9}


def apart(store: Path, memory_map: Path | None) -> Figures:
    """Load and draw windows in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        figures = pool.submit(drawn, store, memory_map).result()
    logger.info("%s, map %s: %s", store.name, memory_map is not None, figures)
    return figures


def drawn(store: Path, memory_map: Path | None) -> Figures:
    """Load windows and draw batches of them, spread over all; tell processor seconds and GB."""
    torch.set_num_threads(1)
    start = time.process_time()
    windows = load_windows([store], history=2, horizon=4, chunk=3, memory_map=memory_map)
    decode = time.process_time() - start
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randint(len(windows), (BATCH,), generator=generator) for _ in range(DRAWN)]
    start, at = time.process_time(), time.perf_counter()
    for batch in batches:
        windows[batch]
    taken, waited = time.process_time() - start, time.perf_counter() - at
    said = memory_of_this_process()
    return {
        "decode": decode,
        "rate": BATCH * DRAWN / taken,
        "rate by the clock": BATCH * DRAWN / waited,
        "held": said["RssAnon"],
        "peak": said["VmHWM"],
    }


def memory_of_this_process() -> dict[str, Any]:
    """Read what Linux says of this process' memory, in GB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(":", 1) for line in lines if line.endswith("kB"))
    return {name: int(value.split()[0]) * 1024 / 1e9 for name, value in pairs}


if __name__ == "__main__":
    main(sys.argv[1:])
