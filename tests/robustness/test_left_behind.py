"""A command that is refused before anything came of it leaves nothing behind."""

from pathlib import Path

import pytest

from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.helpers.commands import refuse
from tests.helpers.made_up import PLAIN, attributes, episode


def write_and_refuse(path: Path, episodes: int) -> None:
    with EpisodeStore.writing(path, PLAIN, attributes(a=1)) as store:
        for seed in range(episodes):
            store.append(episode(3, seed))
        raise InputError("no more")


def refused_writing(path: Path, episodes: int) -> None:
    with pytest.raises(InputError, match="no more"):
        write_and_refuse(path, episodes)


def test_a_store_without_an_episode(tmp_path: Path) -> None:
    (tmp_path / "link.zarr").symlink_to("s.zarr")
    for name in ("s.zarr", "link.zarr"):
        refused_writing(tmp_path / name, 0)
        assert not (tmp_path / "s.zarr").exists()
    refused_writing(tmp_path / "s.zarr", 2)
    refused_writing(tmp_path / "link.zarr", 0)  # Not this writer's alone.
    assert EpisodeStore.open(tmp_path / "s.zarr").episodes == 2


@pytest.mark.parametrize("wrong", ["env.view.cameras=[roof]", "env.simulator=nothing"])
def test_a_run_whose_task_cannot_be_made(wrong: str, tiny_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    refuse("policy/train.py", f"data={tiny_store}", f"out={out}", wrong)
    assert not out.exists()
