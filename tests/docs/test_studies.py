"""Studies that make pictures for the pages run as the pages say."""

import subprocess
import sys
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest

from configs.command import compose
from datasets.collection.collector import collect
from datasets.store.store import EpisodeStore
from studies import boxes, eye
from tests.conftest import ROOT, collect_config
from tests.helpers.small_planner import small_planner

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


def test_the_eye_s_errors_are_measured_on_what_was_held_out(tiny_store: Path) -> None:
    words = ["checkpoint=none", f"data={tiny_store}", "steps=5", "taught=true"]
    config = compose(eye.EyeConfig, "studies/eye", words)
    found = eye.probe(small_planner(), tiny_store, config)
    assert (found["task"], found["frames"]) == ("adroit-door", 48)
    errors = found["median_error_cm"]
    assert set(errors) == {"mean of all", "features", "an encoder taught to"}
    for by_thing in errors.values():
        assert set(by_thing) == {"hand", "object", "goal"}
        assert all(0 <= error < 100 for error in by_thing.values())


def test_places_are_read_off_recorded_states(tmp_path: Path) -> None:
    path = tmp_path / "push.zarr"
    words = ("env=metaworld", "env.task=push", "behaviour=scripted", "env.episode_steps=6")
    collect(collect_config(path, *words, "points=32"))
    store = EpisodeStore.open(path)
    rows = np.arange(store.steps)
    places = eye.places(store, rows).reshape(-1, 3, 3)
    np.testing.assert_allclose(places[:, 0], store.read("state")[:, :3], atol=1e-6)
    assert np.ptp(places[:6, 2], axis=0).max() == 0  # The goal stays through an episode,
    assert np.ptp(places[:, 2], axis=0).max() > 0.01  # and is another in the next.


def test_a_box_is_measured_around_what_matters() -> None:
    words = ["tasks=[push]", "starts=3", "episodes=1", "counted=2", "every=20"]
    found = boxes.measure("push", compose(boxes.BoxesConfig, "studies/boxes", words))
    low, high = found["box"]
    assert low[2] == 0.005
    assert all(a < b for a, b in zip(low, high, strict=True))
    wide, own = (found["median_points"][name] for name in ("wide", "own"))
    assert own["object"] > wide["object"]
    assert own["goal"] > wide["goal"]
