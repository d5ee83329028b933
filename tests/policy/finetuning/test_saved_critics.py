"""Critics on disk: as they were, of their own planner only, and never those that see the state."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from datasets.behaviours.critics import Critics
from perception.errors import InputError
from policy.finetuning.guided.saved_critics import (
    CriticsForm,
    SavedCritics,
    critics_path,
    load_critics,
    save_critics,
)
from tests.helpers.small_planner import quick_planner

ABOUT = {"task": "adroit-door", "seed": 0, "stage": "finetune", "gradient_steps": 7}
FORM = CriticsForm(5, 4, 16, 3, sees="context", scale=0.25, candidates=6)


class Learner:
    """An algorithm that has critics, or none yet."""

    def __init__(self, saved: SavedCritics | None) -> None:
        self._saved = saved

    def saved_critics(self) -> SavedCritics | None:
        return self._saved


def made(**changes: object) -> SavedCritics:
    torch.manual_seed(0)
    return SavedCritics(Critics(5, 4, 16, 3), replace(FORM, **changes))


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "finetune.safetensors"
    save_critics(Learner(made()), path, ABOUT)
    return path


def test_critics_come_back_as_they_were(checkpoint: Path) -> None:
    back, before = load_critics(checkpoint, ABOUT), made()
    assert critics_path(checkpoint).name == "finetune-critics.safetensors"
    assert back.form == FORM
    seen, done = torch.randn(7, 5), torch.randn(7, 4)
    assert torch.equal(back.critics(seen, done), before.critics(seen, done))


@pytest.mark.parametrize("algorithm", [object(), Learner(None)])
def test_without_critics_nothing_is_written(algorithm: object, tmp_path: Path) -> None:
    save_critics(algorithm, tmp_path / "finetune.safetensors", ABOUT)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match=r"There are no critics beside .*leave candidates= out"):
        load_critics(tmp_path / "finetune.safetensors", ABOUT)


def test_critics_of_another_moment_of_the_run_are_refused(checkpoint: Path) -> None:
    with pytest.raises(InputError, match="is of another planner than"):
        load_critics(checkpoint, {**ABOUT, "gradient_steps": 8})


def test_damaged_critics_are_refused_in_words(checkpoint: Path) -> None:
    path = critics_path(checkpoint)
    whole = path.read_bytes()
    places = range(0, len(whole), len(whole) // 60)
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(InputError, match="is damaged"):
            load_critics(checkpoint, ABOUT)
    path.write_bytes(whole[:-9])
    with pytest.raises(InputError, match="is damaged"):
        load_critics(checkpoint, ABOUT)


def test_critics_that_diverged_are_not_written(tmp_path: Path) -> None:
    broken = made()
    with torch.no_grad():
        broken.critics.weights[0][0, 0, 0] = torch.nan
    with pytest.raises(InputError, match="Training diverged"):
        save_critics(Learner(broken), tmp_path / "finetune.safetensors", ABOUT)
    assert list(tmp_path.iterdir()) == []


def test_critics_that_see_the_state_guide_nothing_that_is_judged() -> None:
    assert made().guide(quick_planner(), 4).config.candidates == 4
    with pytest.raises(InputError, match=r"see the simulator's state \(sees=state\)"):
        made(sees="state").guide(quick_planner(), 4)
