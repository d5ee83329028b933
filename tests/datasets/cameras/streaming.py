"""A robot and its cameras, as a store's recorded states have them; a simulator stands in."""

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from clients.sodp_client import SodpClient
from configs.command import compose
from datasets.cameras.describe import describe_recording
from datasets.cameras.listening import Listener
from datasets.cameras.recorder import Recorder
from datasets.cameras.recording import RecordConfig
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.store import EpisodeStore
from envs.make import make_scene, make_simulator
from tests.helpers.warm.processes import WarmProcess


@dataclass(frozen=True)
class Step:
    """What is sent at a step: a frame by the names of its parts, an action, what it brought."""

    frame: dict[str, Any]
    action: np.ndarray
    reward: float | None
    success: bool | None


def steps_of(path: Path, episode: int, *, colour: bool = False) -> Iterator[Step]:
    """Film an episode of a store once more, by the cameras of its view."""
    store = EpisodeStore.open(path)
    env, recording = store.env, store.read_recording(episode)
    assert recording.rewards is not None
    assert recording.successes is not None
    scene = make_scene(make_simulator(env), env)
    for index, state in enumerate(recording.scenes):
        scene.put(state)
        views = dict(zip(env.view.cameras, scene.look(env.view.cameras), strict=True))
        frame: dict[str, Any] = {
            "depth": {name: view.depth_m for name, view in views.items()},
            "intrinsics": {name: view.camera.intrinsics for name, view in views.items()},
            "world_from_camera": {n: v.camera.world_from_camera for n, v in views.items()},
            "robot_state": recording.states[index],
            "stamp": 0.05 * index,
        }
        if colour:
            frame["colour"] = {name: scene.image(name) for name in views}
        yield Step(
            frame,
            recording.actions[index],
            float(recording.rewards[index]),
            bool(recording.successes[index]),
        )


def send(robot: SodpClient, steps: Iterable[Step]) -> int:
    """Send a whole episode; give its number."""
    robot.begin()
    for step in steps:
        tell(robot, step)
    return robot.end()


def place_of(process: "WarmProcess | subprocess.Popen[str]") -> str:
    """Read where a recording that was started listens."""
    assert process.stderr is not None
    line = next(line for line in process.stderr if "ws://" in line)
    return line.split()[4].rstrip(";")


def keys_of(path: Path) -> list[str]:
    """Give the keys that record what a store's own cameras saw, as it sees it."""
    view = EpisodeStore.open(path).env.view
    return [
        "task=my-hand",
        f"cameras=[{','.join(view.cameras)}]",
        f"points={view.points}",
        f"crop_low={list(view.crop_low)}",
        f"crop_high={list(view.crop_high)}",
        f"colour={str(view.colour).lower()}",
        "port=0",
    ]


def of_one(step: Step, **changes: object) -> Step:
    """Give a step of one camera, without its name, and with other parts."""
    alone = {
        part: next(iter(value.values())) if isinstance(value, dict) else value
        for part, value in step.frame.items()
    }
    return replace(step, frame={**alone, **changes})


def tell(robot: SodpClient, step: Step) -> None:
    """Send a step."""
    robot.record(step.frame, step.action, reward=step.reward, success=step.success)


@contextmanager
def recording(
    source: Path, out: Path, *overrides: str
) -> Iterator[tuple[str, Recorder, RecordConfig]]:
    """Record in this process; give the place, the recorder, and its configuration."""
    given = [*keys_of(source), f"out={out}", *overrides]
    config = compose(RecordConfig, "cameras/record", given)
    stored = StoreFormat(config.zarr_format, config.error_mm)
    said = describe_recording(config.task, config.view, config.images, stored)
    with EpisodeStore.writing(out, stored, said) as store:
        recorder = Recorder(store, config.wanted)
        with Listener(config.access, None, recorder.begin) as listener:
            yield f"ws://127.0.0.1:{listener.port}", recorder, config
            recorder.close()
