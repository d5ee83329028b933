"""What cameras and robot would have reported in a simulated episode, and what was done in it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from datasets.cameras.frames import Frame
from envs.config import EnvConfig
from envs.make import make_scene
from policy.planner.checkpoint import save_planner
from policy.planner.decision import Decide
from policy.planner.planner import Planner
from policy.rollouts.episode import Episodes
from policy.rollouts.trajectory import make_recorded_env
from tests.conftest import task_config
from tests.helpers.small_planner import SHORT, quick_planner


@dataclass(frozen=True)
class Filmed:
    """A planner's episode: a frame before each action and one at the end; the executed chunks."""

    frames: list[Frame]
    chunks: list[np.ndarray]

    def rounds(self) -> Iterator[tuple[list[Frame], Frame, np.ndarray]]:
        """Give what was seen before each plan but at its moment, then, and what was done."""
        before, now = 0, 0
        for chunk in self.chunks:
            yield self.frames[before:now], self.frames[now], chunk
            before, now = now + 1, now + len(chunk)


def film(planner: Planner, env: EnvConfig, seed: int, decide: Decide | None = None) -> Filmed:
    """Play an episode in the simulator, and take its depth images once more."""
    world = make_recorded_env(env, planner)
    steps = list(Episodes(planner, world, [seed], decide=decide))
    trajectory = world.trajectory(())
    scene = make_scene(world.task.simulator, env)
    frames = []
    for index, state in enumerate(trajectory.scene_states):
        scene.put(state)
        views = dict(zip(env.view.cameras, scene.look(env.view.cameras), strict=True))
        frames.append(
            Frame(
                depth={name: view.depth_m for name, view in views.items()},
                intrinsics={name: view.camera.intrinsics for name, view in views.items()},
                world_from_camera={n: view.camera.world_from_camera for n, view in views.items()},
                robot_state=trajectory.robot_states[index].astype(np.float32),
                colour={n: view.colour for n, view in views.items() if view.colour is not None}
                or None,
                stamp=0.05 * index,
            )
        )
    ends = np.cumsum([int(step.outcome.taken[0]) for step in steps])
    return Filmed(frames, np.split(trajectory.actions.astype(np.float32), ends[:-1]))


def of_one_camera(frame: Frame) -> Frame:
    """Give a frame of one camera without its name."""
    parts = ("depth", "intrinsics", "world_from_camera")
    return replace(frame, **{part: next(iter(getattr(frame, part).values())) for part in parts})


def saved(path: Path, *overrides: str, env: str = "adroit-door") -> tuple[Path, EnvConfig]:
    """Save a planner that was trained on a task for no time; give the task too."""
    config = task_config(env, *SHORT, *overrides)
    checkpoint = path / "checkpoints" / "pretrain.safetensors"
    about = {"task": config.name, "stage": "pretrain", "env": asdict(config)}
    save_planner(quick_planner(), checkpoint, about)
    return path, config
