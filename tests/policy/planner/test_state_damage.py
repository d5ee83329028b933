"""Training states that are damaged, or lack something: one line each, never another state."""

from pathlib import Path
from typing import Any

import pytest
import torch

from datasets.behaviours.training_state import fitting, load_state, save_state
from perception.errors import InputError
from tests.helpers.small_planner import small_planner
from tests.policy.planner.damaging import STATE, flipped, refused


@pytest.mark.parametrize("summed", [True, False], ids=["now", "before"])
def test_no_flipped_bit_of_a_state_is_read_as_another(*, summed: bool, tmp_path: Path) -> None:
    whole, damaged = tmp_path / "a-state.pt", tmp_path / "b-state.pt"
    (save_state if summed else torch.save)(STATE, whole)
    raw = whole.read_bytes()
    for data in flipped(raw, range(len(raw))):
        damaged.write_bytes(data)
        try:
            read = load_state(damaged)
        except InputError:
            continue
        # A bit that says nothing, such as of the archive's dates.
        assert not summed
        assert repr(read) == repr(STATE)


def test_a_state_comes_back_and_is_still_an_archive_of_torch(tmp_path: Path) -> None:
    save_state(STATE, tmp_path / "a-state.pt")
    assert repr(load_state(tmp_path / "a-state.pt")) == repr(STATE)
    assert repr(torch.load(tmp_path / "a-state.pt", weights_only=True)) == repr(STATE)
    assert load_state(tmp_path / "none.pt") is None


@pytest.mark.parametrize(
    "state", [[], {}, {"planner": 3}, {"planner": {"denoiser.final.1.bias": torch.zeros(2)}}]
)
def test_a_state_that_lacks_something_is_refused_by_name(state: Any, tmp_path: Path) -> None:  # noqa: ANN401
    path = tmp_path / "a-state.pt"
    torch.save(state, path)

    def read(path: Path) -> None:
        with fitting(path):
            small_planner().load_state_dict((load_state(path) or {})["planner"])

    refused(read, path)
