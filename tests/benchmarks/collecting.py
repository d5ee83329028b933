"""How fast data is made, and how small it is, beside other ways of making it.

The fair way has all that libraries offer: depth alone by OpenGL without shadows and multisampling,
Open3D, fpsample's k-d tree, episodes written at once with DP3's compressor, as DP3 does. The plain
way has one default-quality RGB and one depth frame by mujoco.Renderer, Open3D's back-projection, a
NumPy crop, fpsample's plain sampling, float32 xyzrgb appended to Zarr frame by frame. Both step as
Gymnasium does. Seconds are those of all threads, so that a core is a core: Mesa draws on several.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import fpsample
import mujoco
import numcodecs
import numpy as np
import zarr

from datasets.behaviours.behaviour import act
from datasets.behaviours.demonstrator import DemonstratorConfig, make_demonstrator
from datasets.episode import Episode
from datasets.recorder import render
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.store import EpisodeStore
from envs.config import EnvConfig
from envs.make import make_scene, make_simulator
from envs.rendering.gl import GLRenderer
from envs.simulator import Simulator
from perception.point_cloud import Box, numpy_points
from perception.sampling import farthest_points
from tests.benchmarks.collectors import OurCollector, PlainCollector, TunedCollector
from tests.benchmarks.timing import Entry, entry, seconds
from tests.conftest import task_config

TASKS = ("adroit-door", "adroit-pen", "metaworld-basketball")
FRAMES = 40
FAIR = (
    "Gymnasium step, OpenGL depth without shadows or multisampling, Open3D, fpsample's k-d tree,"
    " episodes written at once as DP3 does, float32 xyz"
)
PLAIN = "Gymnasium step, mujoco.Renderer RGB (default quality) + depth, Open3D, exact FPS, float32"


def stage_times(collector: PlainCollector | TunedCollector | OurCollector) -> dict[str, float]:
    """Seconds per frame of each stage."""
    times = dict.fromkeys(collector.stages, 0.0)
    for _ in range(FRAMES):
        for name, taken in seconds(collector.stages, rounds=1, clock=time.process_time).items():
            times[name] += taken / FRAMES
    return times


def store_seconds(episode: Episode, folder: Path) -> tuple[float, float]:
    """Seconds and bytes per frame to store an episode."""
    shutil.rmtree(folder, ignore_errors=True)
    with EpisodeStore.writing(folder, StoreFormat(2, 0.09), {"identity": {}, "task": ""}) as store:
        taken = seconds(
            {"append": lambda: store.append(episode)}, rounds=9, clock=time.process_time
        )["append"]
        frames = store.steps
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return taken / len(episode.recording), size / frames


def written_at_once(episode: Episode, folder: Path) -> float:
    """Seconds per frame to write an episode's clouds as DP3 does."""
    clouds = np.asarray(episode.points, np.float32)
    codec = numcodecs.Blosc("zstd", clevel=3, shuffle=1)

    def write() -> None:
        group = zarr.open_group(folder, mode="w", zarr_format=2)
        chunks = (100, *clouds.shape[1:])
        group.create_array("point_cloud", data=clouds, chunks=chunks, compressors=codec)

    return seconds({"write": write}, rounds=9, clock=time.process_time)["write"] / len(clouds)


def record_some(config: EnvConfig, simulator: Simulator) -> Episode:
    """Record and render an episode of whoever can do the task, with some noise."""
    noisy = DemonstratorConfig(None, (0.5, 0.5), (0.0, 0.0))
    behaviour = make_demonstrator(noisy, config, simulator)
    recording = act(simulator, behaviour, steps=config.episode_steps, seed=0)
    return render(recording, make_scene(simulator, config))


def benchmark(folder: Path) -> dict[str, list[Entry]]:
    """Measure collection: whole, by stage, and in bytes."""
    found: dict[str, list[Entry]] = {"collect": [], "collect_depth": [], "collect_sampling": []}
    for task in TASKS:
        config = task_config(task)
        simulator = make_simulator(config)
        simulator.reset(0)
        plain = stage_times(PlainCollector(config, simulator, folder / "plain.zarr"))
        fair = stage_times(TunedCollector(config, simulator))
        ours = stage_times(OurCollector(config, simulator))
        episode = record_some(config, simulator)
        ours["store"], _ = store_seconds(episode, folder / "ours.zarr")
        fair["store"] = written_at_once(episode, folder / "fair.zarr")
        found["collect"] += [_rate(task, ours, fair, FAIR), _rate(task, ours, plain, PLAIN)]
        found["collect"] += [_stage(task, name, ours[name], fair[name]) for name in fair]
        found["collect_depth"] += _depth(task, config, simulator)
        found["collect_sampling"] += _sampling(task, config, simulator)
    found["bytes_per_transition"] = [_bytes(folder)]
    return found


def _rate(task: str, ours: dict[str, float], other: dict[str, float], other_is: str) -> Entry:
    return entry(
        f"{task}: whole frame",
        ours=1 / sum(ours.values()),
        reference=1 / sum(other.values()),
        unit="frames/s per core",
        reference_is=other_is,
    )


def _stage(task: str, name: str, ours: float, fair: float) -> Entry:
    return entry(
        f"{task}: {name}",
        ours=1000 * ours,
        reference=1000 * fair,
        unit="CPU ms per frame",
        reference_is=f"the same stage of: {FAIR}",
    )


def _depth(task: str, config: EnvConfig, simulator: Simulator) -> list[Entry]:
    """Z-buffer against mujoco.Renderer's depth, at its defaults and tuned."""
    scene = make_scene(simulator, config)
    scene.put(simulator.scene_state())
    camera, size = config.view.cameras[0], config.view.image_size
    default = mujoco.Renderer(scene.model, size, size)
    default.enable_depth_rendering()
    tuned = GLRenderer(make_scene(simulator, config).model, size, size)

    def draw_default() -> None:
        default.update_scene(scene.data, camera)
        default.render()

    times = seconds(
        {
            "ours": lambda: scene.depth(camera),
            "mujoco.Renderer depth, defaults": draw_default,
            "mujoco.Renderer depth, no shadows or multisampling": lambda: tuned.depth(
                scene.data, camera
            ),
        },
        rounds=60,
        clock=time.process_time,
    )
    ours = times.pop("ours")
    return [
        entry(task, ours=1e3 * ours, reference=1e3 * t, unit="CPU ms per frame", reference_is=name)
        for name, t in times.items()
    ]


def _sampling(task: str, config: EnvConfig, simulator: Simulator) -> list[Entry]:
    """Each exact back-end on the cropped cloud of a task."""
    scene = make_scene(simulator, config)
    scene.put(simulator.scene_state())
    view, box = scene.look(config.view.cameras)[0], Box(config.view.crop_low, config.view.crop_high)
    points = numpy_points(view, box).astype(np.float32)
    count = min(512, len(points))
    names = ("numba", "fpsample", "open3d", "torch")
    sides: dict[str, Callable[[], object]] = {
        n: lambda n=n: farthest_points(points, count, backend=n) for n in names
    }
    sides["fpsample's k-d tree"] = lambda: fpsample.bucket_fps_kdline_sampling(
        points, count, h=5, start_idx=0
    )
    times = seconds(sides, rounds=15, clock=time.process_time)
    ours = times.pop("numba")
    return [
        entry(
            f"{task}: {len(points)} to {count}",
            ours=1e3 * ours,
            reference=1e3 * t,
            unit="CPU ms per cloud",
            reference_is=f"{name}, exact",
        )
        for name, t in times.items()
    ]


def _bytes(folder: Path) -> Entry:
    """Bytes of a whole transition of ours against DP3's cloud alone."""
    config = task_config("adroit-door")
    simulator = make_simulator(config)
    _, ours = store_seconds(record_some(config, simulator), folder / "bytes.zarr")
    return entry(
        "adroit-door: cloud, state, action, reward, success, simulator state",
        ours=ours,
        reference=512 * 6 * 4,
        unit="bytes per transition",
        reference_is="DP3's point_cloud alone: 512 x 6 float32, as in memory",
    )
