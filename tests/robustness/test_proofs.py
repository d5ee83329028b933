"""The short form of each proof of `run.py`: none of them may find a fault."""

from pathlib import Path

import pytest

from tests.robustness.flips.flips import flip
from tests.robustness.full.full import fill_all
from tests.robustness.fuzz.fuzz import fuzz
from tests.robustness.kills.kills import kill_all
from tests.robustness.shared.stages import STAGES
from tests.robustness.shared.world import World

COMMANDS, BITS, KILLS, SIZES = 12, 150, 1, 2
SHORT = [stage for stage in STAGES if stage.name in ("merge", "export-robomimic")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def test_command_lines_of_a_grammar(world: World, tmp_path: Path) -> None:
    found = fuzz(world, tmp_path, range(COMMANDS), seed=0)
    assert not found["faults"]
    assert found["codes"].keys() == {"0", "2"}


def test_flipped_bits_cuts_and_zeroed_blocks(world: World, tmp_path: Path) -> None:
    found = flip(world, tmp_path, BITS, seed=0)
    assert not found["faults"]
    assert all(found["counts"][name]["refused"] for name in ("store", "store3", "checkpoint"))


def test_killed_stages(world: World, tmp_path: Path) -> None:
    found = kill_all(world, tmp_path, SHORT, KILLS, seed=0)
    assert not found["faults"]
    assert found["kills"] == KILLS * len(SHORT)


def test_full_disks(world: World, tmp_path: Path) -> None:
    found = fill_all(world, tmp_path, SHORT, SIZES)
    assert not found["faults"]
    assert all(count["refused"] for count in found["stages"].values())
