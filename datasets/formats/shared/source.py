"""Other people's episodes, one at a time: what every importer gives."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from configs.ranges import CloudPoints, Positive
from datasets.episode import Episode
from envs.config import ViewConfig
from perception.errors import InputError

BLOCK = 1 << 22


@dataclass(frozen=True)
class ReadOptions:
    """How to read; each importer refuses what does not apply to it.

    Attributes:
        start: Where replays begin: in the state recorded, or in the pose that the first
            observation shows.
        point_key: Which observation is the cloud, for formats that name their observations.
        state_keys: Which observations are the robot's state, in this order; None finds the usual.
        points: Points per cloud; None is the task's own number, or as recorded.
        cameras: Names of the cameras to fuse; None is the task's own.
        colour: Whether points carry colour; None is the task's own way, or as recorded.
        images: Pictures to keep beside the clouds: `img`, `depth`.
        absent_chunks: Whether a chunk that a Zarr dataset lacks was lost (`refuse`), or holds the
            fill value, as Zarr reads it (`fill`).
        calibration: A file of lenses and poses, for LeRobot's datasets that hold none.
        action_key: The topic of commands, for recordings of ROS 2; None takes the next state.
        world_frame: The frame in which their clouds are; None is what the cameras hang on.
        stale_s: How far from an image's stamp what belongs to it may be; None is 0.2.
    """

    start: Literal["observation", "state"]
    point_key: str
    state_keys: tuple[str, ...] | None
    points: CloudPoints | None
    cameras: tuple[str, ...] | None
    colour: bool | None
    images: tuple[Literal["img", "depth"], ...]
    absent_chunks: Literal["refuse", "fill"] = "refuse"
    calibration: Path | None = None
    action_key: str | None = None
    world_frame: str | None = None
    stale_s: Positive | None = None


@dataclass(frozen=True)
class Drift:
    """How far a replay is from the observations recorded.

    Every step counts with the largest difference of any entry of its observation (radians, metres
    or their rates).
    """

    median: float
    largest: float
    last: float


@dataclass(frozen=True)
class Converted:
    """An episode as it goes into a store, and how well it could be replayed."""

    episode: Episode
    drift: Drift | None = None


@dataclass(frozen=True)
class Source:
    """Someone's data, open to be converted.

    Attributes:
        format: Whose format it is.
        lengths: Steps that each episode will have.
        read: Reads an episode by its number: an `Episode` where clouds were recorded, else a job
            of `datasets.formats.shared.resimulate`.
        simulated: Whether our simulator makes the clouds.
        action_size: Numbers in an action.
        options: What changes the result, and must agree to continue.
        about: Further facts about the data, to be kept with it.
        seen: What is known of how recorded clouds were seen: `cameras`, `frame`, `units`.
        farthest: The largest coordinate of a recorded point; None: not all were looked through.
        view: How clouds were made of what real cameras saw; None of other data.
    """

    format: str
    lengths: tuple[int, ...]
    read: Callable[[int], Any]
    simulated: bool
    action_size: int
    options: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)
    farthest: float | None = None
    view: ViewConfig | None = None

    def __post_init__(self) -> None:
        if not self.lengths:
            raise InputError(f"There is no episode in this {self.format} data")


def refuse_cameras(options: ReadOptions, format_: str) -> None:
    """Refuse to choose cameras for clouds that were recorded.

    Raises:
        InputError: Cameras are asked for.
    """
    if options.cameras is not None:
        raise InputError(f"cameras= does not apply to {format_}: its clouds were seen elsewhere")


def lifting(view: ViewConfig) -> dict[str, Any]:
    """Give what of a view decides how depth becomes clouds."""
    said = asdict(view)
    return {name: said[name] for name in ("points", "crop_low", "crop_high", "colour", "sampling")}


def fingerprint(path: Path) -> dict[str, Any]:
    """Tell which file or folder was read, without where it lay: name, bytes, and a file's SHA-256.

    Args:
        path: A file, or a folder, of which names and sizes are hashed.
    """
    if path.is_file():
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
        return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest.hexdigest()}
    sizes = {
        str(file.relative_to(path)): file.stat().st_size
        for file in sorted(path.rglob("*"))
        if file.is_file()
    }
    listing = hashlib.sha256(repr(sizes).encode()).hexdigest()
    return {"name": path.name, "bytes": sum(sizes.values()), "listing_sha256": listing}
