"""What a store says of itself that was recorded from cameras."""

from dataclasses import asdict
from typing import Any

from configs.build import build
from datasets.cameras.steps import Step
from datasets.store.chunk_codecs import StoreFormat
from datasets.store.provenance import as_json, source_commit, versions
from datasets.store.store import EpisodeStore
from envs.config import ViewConfig
from perception.camera import Pinhole


def describe_recording(
    task: str, view: ViewConfig, images: tuple[str, ...], stored: StoreFormat
) -> dict[str, Any]:
    """Say what was recorded and how; "identity" is what must agree to go on.

    The cameras are added with the first episode (`describe_cameras`).
    """
    return {
        "identity": {
            "task": task,
            "behaviour": {"kind": "recorded"},
            "recorded_from": "cameras",
            "view": as_json(asdict(view)),
            "seed": -1,
            "images": list(images),
            "zarr_format": stored.zarr_format,
            "error_mm": stored.error_mm,
        },
        "task": task,
        "frame": "world",
        "units": "metres; robot state and actions as the robot gives them",
        "cameras": {},
        "model_edits": [],
        "versions": versions(),
        "source_commit": source_commit(),
    }


def recorded_view(store: EpisodeStore) -> ViewConfig | None:
    """Give how the clouds of a store were made that was recorded from cameras; None of another.

    Raises:
        InputError: It holds what no program wrote.
    """
    said = store.identity.get("view")
    return None if said is None else build(ViewConfig, said, f"{store.path}: view.")


def describe_cameras(step: Step) -> dict[str, Any]:
    """Say how each camera sees, and where it stood at a step."""
    return {name: _describe(view.camera) for name, view in step.views.items()}


def _describe(camera: Pinhole) -> dict[str, Any]:
    """Say how a camera sees and where it stands; `size` is (width, height) in pixels."""
    return {
        "intrinsics": camera.intrinsics.tolist(),
        "world_from_camera": camera.world_from_camera.tolist(),
        "size": [camera.width, camera.height],
    }
