"""Commands that are killed while they write: whole episodes are left, and the end is the same.

`python -m tests.robustness.run kills` does it many more times, of every stage.
"""

import random
from pathlib import Path

import pytest

from configs.command import compose
from datasets.collection.collector import collect
from datasets.collection.merger import MergeConfig, merge
from datasets.collection.rerender import RenderConfig, render_again
from datasets.store.store import EpisodeStore
from tests.conftest import collect_config
from tests.helpers.commands import succeed
from tests.helpers.killing import assert_equal, grown, stop, whole_episodes

KILLS = 2  # Of each command.


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stores to read, of 40 and 20 episodes."""
    folder = tmp_path_factory.mktemp("data")
    for seed, episodes in ((0, 40), (1, 20)):
        collect(collect_config(folder / f"{seed}.zarr", f"seed={seed}", episodes=episodes))
    return folder


def killed_again_and_again(command: tuple[str, ...], out: Path, whole: Path) -> None:
    """Kill a command soon after it wrote an episode more, some times; then let it finish."""
    rng, reference, before = random.Random(0), EpisodeStore.open(whole), 0
    for _ in range(KILLS):
        stop(command, rng.uniform(0, 0.3), begun=grown(out, before))
        episodes = whole_episodes(out, reference)
        assert episodes is not None
        assert episodes >= before
        before = episodes
    succeed(*command)
    assert_equal(out, whole)
    assert not list(out.rglob("*.partial"))


def test_a_killed_collection(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "out.zarr"
    small = ("env.episode_steps=12", "points=64", "workers=1", "episodes=40")
    killed_again_and_again(("datasets/collect.py", *small, f"out={out}"), out, data / "0.zarr")


def test_a_killed_rendering(tmp_path: Path, data: Path) -> None:
    out, whole, source = tmp_path / "out.zarr", tmp_path / "whole.zarr", f"data={data / '0.zarr'}"
    view = "image_size=128"
    render_again(compose(RenderConfig, "render", [source, f"out={whole}", view, "workers=0"]))
    command = ("datasets/render.py", source, f"out={out}", view, "workers=1")
    killed_again_and_again(command, out, whole)


@pytest.mark.parametrize("shards", ["null", "1"])
def test_a_killed_merge(tmp_path: Path, data: Path, shards: str) -> None:
    out, whole = tmp_path / "out.zarr", tmp_path / "whole.zarr"
    source = f"data=[{data / '0.zarr'},{data / '1.zarr'}]"
    merge(compose(MergeConfig, "merge", [source, f"out={whole}"]))
    command = ("datasets/merge.py", source, f"out={out}", f"shards={shards}")
    killed_again_and_again(command, out, whole)
