"""Where the clouds of a LeRobot dataset come from: recorded as such, or lifted from depth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from datasets.formats.lerobot.cameras import CAMERAS, EXAMPLE, camera_of, pinhole
from datasets.formats.lerobot.depths import read_depths
from datasets.formats.lerobot.described import Described, Feature
from datasets.formats.lerobot.pictures import picture_of, read_pictures
from datasets.formats.lerobot.tables import Frames
from datasets.formats.shared.source import ReadOptions
from envs.config import ViewConfig
from perception.camera import Pinhole, turned
from perception.errors import InputError
from perception.point_cloud import Box, View, fuse
from perception.sensors import depth_in_metres

Points = Float[np.ndarray, "time point 3"] | Float[np.ndarray, "time point 6"]


@dataclass(frozen=True)
class Eye:
    """A camera that takes depth.

    Attributes:
        depth: Its depth images.
        camera: Its lens and pose.
        picture: Its pictures, where points are to have colours.
        is_turned: Whether those were turned by half a turn, to stand upright.
    """

    depth: Feature
    camera: Pinhole
    picture: Feature | None
    is_turned: bool


@dataclass(frozen=True)
class Lifted:
    """Clouds that are made here, from depth images.

    Attributes:
        described: The dataset.
        eyes: The cameras to fuse, by name.
        view: Which box to keep, how many points, and how they are sampled.
    """

    described: Described
    eyes: Mapping[str, Eye]
    view: ViewConfig

    @property
    def keys(self) -> list[str]:
        """What a table must have."""
        parts = [one for eye in self.eyes.values() for one in (eye.depth, eye.picture)]
        return [one.key for one in parts if one is not None and one.dtype != "video"]

    def points(self, index: int, frames: Frames, where: str) -> Points:
        """Make the clouds of an episode.

        Raises:
            InputError: A part cannot be read, or a cloud is empty.
        """
        seen = [self._seen(eye, index, frames, where) for eye in self.eyes.values()]
        clouds = []
        for step, views in enumerate(zip(*seen, strict=True)):
            try:
                clouds.append(self._cloud(views))
            except InputError as error:
                raise InputError(f"{where}, frame {step}: {error}") from error
        return np.stack(clouds)

    def _seen(
        self, eye: Eye, index: int, frames: Frames, where: str
    ) -> list[tuple[Pinhole, Float32[np.ndarray, "height width"], np.ndarray | None]]:
        depths = read_depths(self.described, index, eye.depth, frames, where)
        colours: Any = [None] * len(depths)
        if eye.picture is not None:
            colours = read_pictures(self.described, index, eye.picture, frames, where)
            colours = turned(colours) if eye.is_turned else colours
        return [(eye.camera, *pair) for pair in zip(depths, colours, strict=True)]

    def _cloud(self, views: tuple[Any, ...]) -> np.ndarray:
        fused = [View(camera, depth_in_metres(depth), colour) for camera, depth, colour in views]
        view = self.view
        box = Box(view.crop_low, view.crop_high)
        return fuse(fused, box, view.points, geometry=view.geometry, sampling=view.sampling)


def lifted(
    described: Described,
    cameras: Mapping[str, dict[str, Any]],
    view: ViewConfig,
    options: ReadOptions,
) -> Lifted:
    """Choose the cameras whose depth becomes clouds: those asked for, or all.

    Raises:
        InputError: There is no depth, a camera is not known, or colours are wanted and missing.
    """
    depths = {f.camera: f for f in described.features.values() if f.is_depth}
    if not depths:
        raise InputError(_no_depth(described))
    names = list(options.cameras or depths)
    if missing := [name for name in names if name not in depths]:
        raise InputError(
            f"{described.root.name} has no depth of {missing[0]}; it has {', '.join(depths)}"
        )
    return Lifted(
        described,
        {name: _eye(described, cameras, depths[name], view.colour) for name in names},
        view,
    )


def _eye(
    described: Described, cameras: Mapping[str, dict[str, Any]], depth: Feature, colour: bool
) -> Eye:
    said = camera_of(cameras, depth)
    if said is None:
        raise InputError(
            f"{described.root.name} does not say where the camera of {depth.key} stands: write"
            f" {CAMERAS} ({EXAMPLE}, NAME being {depth.camera}), or give such a file by"
            " calibration="
        )
    where = f"{described.root.name}: camera {depth.camera}"
    picture = picture_of(described, depth.camera) if colour else None
    if colour and picture is None:
        raise InputError(f"{where} has no pictures: leave colour=true out")
    turn = said.get("img_turned_deg") == 180
    return Eye(depth, pinhole(said, depth, where), picture, turn)


def _no_depth(described: Described) -> str:
    features = described.features.values()
    text = f"{described.root.name} has neither clouds nor depth: {', '.join(described.features)}."
    if filmed := [f.key for f in features if f.is_picture]:
        text += f" Pictures alone ({filmed[0]}) give no cloud."
    return (
        f"{text} Needed is a cloud (point_key=), or a depth feature (is_depth_map) with its"
        f" camera's intrinsics and pose ({CAMERAS}, or calibration=)"
    )
