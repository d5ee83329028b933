"""Studies that make pictures for the pages run as the pages say."""

import json
import subprocess
import sys
from pathlib import Path

import imageio.v3 as imageio
import pytest
import yaml

from datasets.collection.collector import collect
from policy.planner.checkpoint import save_planner
from tests.conftest import ROOT, collect_config
from tests.helpers.commands import run
from tests.helpers.small_planner import small_planner

STUDIES = sorted(
    path.stem for path in (ROOT / "studies").glob("*.py") if "__main__" in path.read_text()
)


def study(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run("tests/helpers/warm/as_module.py", f"studies.{name}", *arguments)


@pytest.mark.parametrize("name", STUDIES)
def test_the_page_of_studies_names_each(name: str) -> None:
    assert f"`python -m studies.{name}" in (ROOT / "studies" / "README.md").read_text()


def test_the_gallery_draws_every_simulator(tmp_path: Path) -> None:
    name, out = "gallery", tmp_path / "gallery.png"
    tasks = "tasks=[[adroit-pen],[metaworld,'env.task=reach']]"
    # One as the page says, in a process of its own.
    command = [sys.executable, "-m", f"studies.{name}", tasks, "steps=3", "seed=0", f"out={out}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
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


def test_the_eye_s_errors_are_written_for_each_store(tiny_store: Path, tmp_path: Path) -> None:
    planner, out = tmp_path / "planner.safetensors", tmp_path / "eye.json"
    save_planner(small_planner(), planner, {"task": "adroit-door"})
    words = (f"data={tiny_store}", "steps=5", "taught=true", f"out={out}")
    done = study("eye", f"checkpoint={planner}", *words)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(out.read_text())["stores"]
    assert (found["task"], found["frames"], found["points"]) == ("adroit-door", 48, 64)
    errors = found["median_error_cm"]
    assert set(errors) == {"mean of all", "features", "an encoder taught to"}
    for by_thing in errors.values():
        assert set(by_thing) == {"hand", "object", "goal"}
        assert all(0 <= error < 100 for error in by_thing.values())


def test_a_box_is_measured_around_what_matters(tmp_path: Path) -> None:
    out, table = tmp_path / "boxes.json", tmp_path / "table.yaml"
    small = ("starts=3", "episodes=1", "counted=2", "every=20", f"out={out}", f"table={table}")
    done = study("boxes", "tasks=[push,sweep-into]", *small)
    assert done.returncode == 0, done.stderr
    tasks = json.loads(out.read_text())["tasks"]
    raised = tasks["sweep-into"]  # Its board lies 5 cm above the table: most of what was seen.
    assert raised["box"][0][2] == 0.057
    assert raised["median_points"]["own"]["object"] > 10 * raised["median_points"]["wide"]["object"]
    found = tasks["push"]
    low, high = found["box"]
    assert low[2] == 0.005
    assert all(a < b for a, b in zip(low, high, strict=True))
    wide, own = (found["median_points"][name] for name in ("wide", "own"))
    assert own["object"] > wide["object"]
    assert own["goal"] > wide["goal"]
    assert yaml.safe_load(table.read_text()) == {
        "push": [low, high],
        "sweep-into": raised["box"],
        "any": [[-0.7, 0.2, 0.005], [0.4, 1.05, 0.5]],
    }
