"""What decides every number of a store, and what is said of it there."""

from dataclasses import asdict, dataclass
from typing import Any

from datasets.store.chunk_codecs import StoreFormat
from datasets.store.provenance import as_json, source_commit, versions
from envs.config import EnvConfig
from envs.make import make_scene
from envs.simulator import Simulator
from perception.camera import Pinhole, hangs


@dataclass(frozen=True)
class Making:
    """What decides every number of a store: it must agree to go on with one.

    Attributes:
        env: The task, and how it is seen.
        behaviour: Who acted, as JSON.
        seed: Of the collection; several, where stores were merged.
        images: Pictures beside the clouds.
        zarr_format: 2 or 3.
        error_mm: Largest error of stored positions.
    """

    env: EnvConfig
    behaviour: dict[str, Any]
    seed: int | list[int]
    images: tuple[str, ...]
    zarr_format: int
    error_mm: float

    @property
    def format(self) -> StoreFormat:
        """How the store is written."""
        return StoreFormat(self.zarr_format, self.error_mm)


def describe(making: Making, simulator: Simulator) -> dict[str, Any]:
    """Say everything needed to make the store again; "identity" is what must agree to continue.

    Args:
        making: What decides the store.
        simulator: Of its task; is reset.
    """
    scene = make_scene(simulator, making.env)
    simulator.reset(0)
    scene.put(simulator.scene_state())
    upright = "img" in making.images and making.env.view.image != "gl_turned"
    cameras = {
        name: describe_camera(scene.camera(name), pictures_upright=upright)
        for name in making.env.view.cameras
    }
    return {
        "identity": as_json(asdict(making)),
        "task": making.env.name,
        "frame": "world",
        "units": "metres, radians",
        "cameras": cameras,
        "model_edits": [edit.name for edit in simulator.layout.edits],
        "versions": versions(),
        "source_commit": source_commit(),
    }


def describe_camera(camera: Pinhole, *, pictures_upright: bool) -> dict[str, Any]:
    """Say where a camera stands, and whether its pictures (not its depth) were turned to stand."""
    said = {
        "intrinsics": camera.intrinsics.tolist(),
        "world_from_camera": camera.world_from_camera.tolist(),
    }
    return {**said, "img_turned_deg": 180} if pictures_upright and hangs(camera) else said
