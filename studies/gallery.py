"""Draw every kind of task at one moment: picture, depth and cloud.

    python -m studies.gallery

All of it without OpenGL: what a planner of the task sees, and what a person would.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from configs.command import compose_part, script
from configs.ranges import Seed, Whole
from envs.config import EnvConfig
from studies.gallery_figure import gallery

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GalleryConfig:
    """Which tasks to draw, as overrides of `env`, and where to."""

    tasks: tuple[tuple[str, ...], ...]
    out: Path
    steps: Whole
    seed: Seed


@script("studies/gallery", GalleryConfig)
def main(config: GalleryConfig) -> None:
    """Draw the gallery."""
    envs = [compose_part(EnvConfig, "env", name, list(more)) for name, *more in config.tasks]
    config.out.parent.mkdir(parents=True, exist_ok=True)
    config.out.write_bytes(gallery(envs, steps=config.steps, seed=config.seed))
    logger.info("written to %s", config.out)


if __name__ == "__main__":
    main()
