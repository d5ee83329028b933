"""How collecting scales with workers, and how fast a store is written, read and decoded.

Beside it, one process, and a Zarr array of float32 positions and colours with DP3's compressor: all
written at once, as DP3 does, and every frame appended by itself.
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numcodecs
import numpy as np
import zarr

from datasets.collection.collector import collect
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.store import EpisodeStore
from datasets.windows import load_windows
from envs.make import make_simulator
from tests.benchmarks.collecting import FAIR, record_some, stage_times, written_at_once
from tests.benchmarks.collectors import TunedCollector
from tests.benchmarks.timing import Entry, entry
from tests.conftest import collect_config, task_config

TASK = "adroit-door"
FEW, MANY = 40, 240  # Episodes: the difference is free of what starting takes.
TRANSITIONS = 90_000  # SODP's Adroit data.
CLOUD_BYTES = 512 * 6 * 4


def benchmark(folder: Path, data: Path) -> dict[str, list[Entry]]:
    """Measure scaling, and a store of 90,000 transitions made of the episodes of a small one."""
    return {"collect_workers": _workers(folder), "store": _store(folder, data)}


def _workers(folder: Path) -> list[Entry]:
    """Frames a second of the whole command with one and two workers, wall time."""
    config = task_config(TASK)
    simulator = make_simulator(config)
    fair = stage_times(TunedCollector(config, simulator))
    fair["store"] = written_at_once(record_some(config, simulator), folder / "fair.zarr")
    reference = 1 / sum(fair.values())
    rates = {workers: _rate(folder, workers) for workers in (1, 2)}
    beside = {
        f"{TASK}: frames made by {workers} worker{'s' * (workers > 1)}": (rates[workers], reference)
        for workers in rates
    }
    entries = [
        entry(name, ours=ours, reference=other, unit="frames/s", reference_is=f"{FAIR}, one core")
        for name, (ours, other) in beside.items()
    ]
    scaling = entry(
        f"{TASK}: two workers beside one",
        ours=rates[2],
        reference=rates[1],
        unit="frames/s",
        reference_is="the same with one worker",
    )
    return [*entries, scaling]


def _rate(folder: Path, workers: int) -> float:
    whole = ("env.episode_steps=100", "points=512", f"workers={workers}")
    taken = []
    for episodes in (FEW, MANY):
        out = folder / "workers.zarr"
        shutil.rmtree(out, ignore_errors=True)
        start = time.perf_counter()
        collect(collect_config(out, *whole, episodes=episodes))
        taken.append(time.perf_counter() - start)
    return 100 * (MANY - FEW) / (taken[1] - taken[0])


def _store(folder: Path, data: Path) -> list[Entry]:
    """Write, decode, and compare bytes, of 90,000 transitions."""
    source = EpisodeStore.open(data)
    episodes = [source.read_episode(index) for index in range(source.episodes)]
    times = TRANSITIONS // source.steps
    large = folder / "large.zarr"
    written = -time.perf_counter()
    with EpisodeStore.writing(large, StoreFormat(2, 0.09), source.attributes) as store:
        for episode in episodes * times:
            store.append(episode)
    written += time.perf_counter()
    read = -time.perf_counter()
    load_windows([large], history=2, horizon=4, chunk=3)
    read += time.perf_counter()
    coloured = folder / "coloured.zarr"
    whole = ("env.episode_steps=100", "points=512", "colour=true", "error_mm=0")
    collect(collect_config(coloured, *whole, episodes=source.episodes))
    clouds = EpisodeStore.open(coloured).read("point_cloud")
    plain = _plain(folder / "plain-store.zarr", clouds, times)
    size = sum(file.stat().st_size for file in large.rglob("*") if file.is_file())
    count, per_core = f"{TRANSITIONS:,} transitions of {TASK}", "frames/s"
    return [
        entry(
            f"{count}: written, all arrays",
            ours=TRANSITIONS / written,
            reference=plain.at_once,
            unit=per_core,
            reference_is="clouds alone, float32 xyzrgb, at once as DP3 does, zstd level 3",
        ),
        entry(
            f"{count}: written, all arrays",
            ours=TRANSITIONS / written,
            reference=plain.one_by_one,
            unit=per_core,
            reference_is="clouds alone, float32 xyzrgb, appended frame by frame, zstd level 3",
        ),
        entry(
            f"{count}: decoded into memory for training, looked through for NaN",
            ours=read,
            reference=plain.read,
            unit="s",
            reference_is="clouds alone, float32 xyzrgb, read at once",
        ),
        entry(
            f"{count}: on disk, all arrays",
            ours=size / 1e6,
            reference=plain.size / 1e6,
            unit="MB",
            reference_is="clouds alone, float32 xyzrgb, zstd level 3",
        ),
        entry(
            f"{count}: on disk, all arrays, beside numbers as they are",
            ours=size / 1e6,
            reference=TRANSITIONS * CLOUD_BYTES / 1e6,
            unit="MB",
            reference_is="clouds alone, float32 xyzrgb, not compressed",
        ),
    ]


@dataclass(frozen=True)
class Plain:
    """A plain Zarr array: frames a second written in two ways, seconds to read it, its bytes."""

    at_once: float
    one_by_one: float
    read: float
    size: int


def _plain(path: Path, coloured: np.ndarray, times: int) -> Plain:
    """Write and read so many times the clouds."""
    codec = numcodecs.Blosc("zstd", clevel=3, shuffle=1)
    group = zarr.open_group(path, mode="w", zarr_format=2)
    array = group.create_array(
        "point_cloud", shape=(0, 512, 6), chunks=(100, 512, 6), dtype="f4", compressors=codec
    )
    some = coloured[:300]
    start = time.perf_counter()
    for frame in some:
        array.append(frame[None])
    one_by_one = len(some) / (time.perf_counter() - start)
    array.resize((times * len(coloured), 512, 6))
    start = time.perf_counter()
    for part in range(times):
        array[part * len(coloured) : (part + 1) * len(coloured)] = coloured
    at_once = times * len(coloured) / (time.perf_counter() - start)
    start = time.perf_counter()
    array[:]
    read = time.perf_counter() - start
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return Plain(at_once, one_by_one, read, size)
