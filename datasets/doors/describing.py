"""What a converted store says of itself; where it comes from is added by `datasets.converting`."""

from pathlib import Path
from typing import Any

from datasets.behaviour import BehaviourConfig
from datasets.collecting import CollectConfig, describe, source_commit, versions
from datasets.compression import StoreFormat
from envs.make import make_scene, make_simulator
from envs.spec import EnvConfig


def describe_drawn(env: EnvConfig, images: tuple[Any, ...], stored: StoreFormat) -> dict[str, Any]:
    """Describe clouds drawn from states as collecting would, so that they can be drawn again."""
    simulator: Any = make_simulator(env)
    zarr_format: Any = stored.zarr_format
    collected = CollectConfig(
        env=env,
        behaviour=BehaviourConfig("recorded", None, (0.0, 0.0), (0.0, 0.0)),
        episodes=0,
        out=Path(),
        seed=-1,
        workers=0,
        launcher="process",
        images=images,
        points=None,  # As `env` has it, like the next two.
        cameras=None,
        colour=None,
        zarr_format=zarr_format,
        error_mm=stored.error_mm,
    )
    return describe(collected, simulator, make_scene(simulator, env))


def describe_seen(task: str, images: tuple[str, ...], stored: StoreFormat) -> dict[str, Any]:
    """Describe clouds that were recorded elsewhere: only what is known of them."""
    return {
        "identity": {
            "task": task,
            "behaviour": {"name": "recorded"},
            "seed": -1,
            "images": list(images),
            "zarr_format": stored.zarr_format,
            "error_mm": stored.error_mm,
        },
        "task": task,
        "frame": "as recorded",
        "units": "as recorded",
        "cameras": {},
        "model_edits": [],
        "versions": versions(),
        "source_commit": source_commit(),
    }
