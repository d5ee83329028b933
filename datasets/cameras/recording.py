"""A user's own robot, recorded: from the command to a store of whole episodes."""

import logging
import time
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from configs.build import Inline
from configs.ranges import (
    CloudPoints,
    Corner,
    Count,
    ErrorMm,
    Filled,
    Name,
    Output,
    Positive,
    require,
)
from configs.stopping import stop_request
from datasets.cameras.access import Access, read_token
from datasets.cameras.describe import describe_recording
from datasets.cameras.frames import Limits, made_up, read_cloud
from datasets.cameras.listening import POLL_S, Listener
from datasets.cameras.recorder import Recorder
from datasets.cameras.steps import Step
from datasets.cameras.wanted import Wanted
from datasets.store.chunk_codecs import StoreFormat, codecs
from datasets.store.store import EpisodeStore
from envs.config import ViewConfig
from perception.errors import InputError

logger = logging.getLogger(__name__)

IMAGE_SIZE = 84  # Of a simulator's pictures, which a view names too; those of cameras have theirs.


@dataclass(frozen=True)
class RecordConfig:
    """What to record and how; every key is explained in configs/scripts/cameras/record.yaml."""

    task: Name
    out: Output
    episodes: Count | None
    steps: Count
    crop_low: Corner
    crop_high: Corner
    points: CloudPoints
    cameras: Annotated[tuple[Name, ...], Filled()]
    colour: bool
    images: tuple[Literal["img", "depth"], ...]
    access: Annotated[Access, Inline()]
    least_points: Count
    longest_gap_s: Positive
    zarr_format: Literal[2, 3]
    error_mm: ErrorMm

    def __post_init__(self) -> None:
        names = list(self.cameras)
        require(len(set(names)) == len(names), f"@cameras={names} must be different ones")

    @property
    def view(self) -> ViewConfig:
        """How clouds are made."""
        return ViewConfig(
            cameras=self.cameras,
            image_size=IMAGE_SIZE,
            points=self.points,
            crop_low=self.crop_low,
            crop_high=self.crop_high,
            colour=self.colour,
            depth="zbuffer",
            geometry="numba",
            sampling="auto",
        )

    @property
    def wanted(self) -> Wanted:
        """What is recorded."""
        limits = Limits(self.least_points, self.longest_gap_s)
        return Wanted(self.view, self.images, limits, self.steps, self.episodes)


@dataclass(frozen=True)
class Recorded:
    """What came of it.

    Attributes:
        episodes: In the store.
        newest: The first step of the newest episode that came in this session.
    """

    episodes: int
    newest: Step | None


def record(config: RecordConfig) -> Recorded:
    """Record what robots send until Ctrl-C, or until the store holds all episodes.

    Raises:
        InputError: The store is another's or is being written, the port cannot be had, or another
            machine could reach it without a token.
        OSError: The disk is full, or the like; whole episodes are kept.
    """
    view, stored = config.view, StoreFormat(config.zarr_format, config.error_mm)
    check_box(view, stored)
    token = read_token(config.access)
    read_cloud(made_up(view, 0), view, Limits())  # Loops are compiled now, not while robots wait.
    said = describe_recording(config.task, view, config.images, stored)
    with EpisodeStore.writing(config.out, stored, said) as store:
        recorder = Recorder(store, config.wanted)
        try:
            _listen(config, token, recorder)
        finally:
            recorder.close()
        if recorder.failure is not None:
            raise recorder.failure
        return Recorded(store.episodes, recorder.newest)


def _listen(config: RecordConfig, token: str | None, recorder: Recorder) -> None:
    access = config.access
    with Listener(access, token, recorder.begin) as listener, stop_request() as stop:
        logger.info(
            "episodes of %s at ws://%s:%d; Ctrl-C ends it", config.task, access.host, listener.port
        )
        while not (stop.requested or recorder.done):
            time.sleep(POLL_S)
        recorder.close()
        time.sleep(POLL_S)  # The last answer is on its way.


def check_box(view: ViewConfig, stored: StoreFormat) -> None:
    """Refuse a crop box in which points may lie too far out for the store's integers.

    Raises:
        InputError: They may.
    """
    corners = np.array([view.crop_low, view.crop_high], np.float32)
    try:
        codecs(corners, stored.error_mm, stored.zarr_format)
    except InputError as error:
        raise InputError(
            f"crop_low={view.crop_low}, crop_high={view.crop_high}: {error}"
        ) from error
