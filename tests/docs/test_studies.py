"""Studies that make pictures for the pages run as the pages say."""

import subprocess
import sys
from pathlib import Path

import imageio.v3 as imageio
import pytest

from datasets.collection.collector import collect
from tests.conftest import ROOT, collect_config

STUDIES = sorted(
    path.stem for path in (ROOT / "studies").glob("*.py") if "__main__" in path.read_text()
)


def study(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"studies.{name}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", STUDIES)
def test_the_page_of_studies_names_each(name: str) -> None:
    assert f"`python -m studies.{name}" in (ROOT / "studies" / "README.md").read_text()


def test_the_gallery_draws_every_simulator(tmp_path: Path) -> None:
    out = tmp_path / "gallery.png"
    tasks = "tasks=[[adroit-pen],[metaworld,'env.task=reach']]"
    done = study("gallery", tasks, "steps=3", "seed=0", f"out={out}")
    assert done.returncode == 0, done.stderr
    assert out.stat().st_size > 20_000


def test_the_moving_picture_shows_every_episode_beside_its_like(
    tiny_store: Path, tmp_path: Path
) -> None:
    out, other = tmp_path / "film.webp", tmp_path / "other.zarr"
    small = ("episodes=[0,1]", "every=6", "size=[64,48]", f"out={out}")
    done = study("moving_picture", f"stores=[{tiny_store},{tiny_store}]", *small)
    assert done.returncode == 0, done.stderr
    frames = imageio.imread(out, index=...)
    assert frames.shape[0] == 4  # Two moments of each; frames that repeat are stored as one.
    assert frames.shape[2] == 128
    collect(collect_config(other, "seed=1"))
    done = study("moving_picture", f"stores=[{tiny_store},{other}]", *small)
    assert done.returncode == 2
    assert "have different seeds" in done.stderr
