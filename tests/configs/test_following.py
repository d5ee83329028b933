"""A command ends with its result and the next one, which the shell takes as it stands."""

import logging
import shlex
from pathlib import Path

import pytest

from configs.command.following import follow, follow_store
from tests.layout.sources import ROOT


def said(caplog: pytest.LogCaptureFixture) -> list[list[str]]:
    lines = [m.removeprefix("next: ") for m in caplog.messages if m.startswith("next: ")]
    return [shlex.split(line) for line in lines]


def test_paths_are_quoted_and_scripts_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.INFO):
        follow(Path("my run"), ("policy/view.py", "checkpoint=my run's (1)"))
    assert caplog.messages[0] == "the result is my run"
    ((python, script, word),) = said(caplog)
    assert (python, word) == ("python", "checkpoint=my run's (1)")
    assert Path(script) == ROOT / "policy" / "view.py"
    assert Path(script).exists()


@pytest.mark.parametrize(
    ("how", "scripts"),
    [
        ({}, ["datasets/view.py", "policy/train.py"]),
        ({"drawn": False}, ["datasets/render.py"]),
        ({"simulated": False}, ["datasets/view.py", "policy/train.py"]),
    ],
)
def test_a_store_is_looked_at_and_learned_from(
    how: dict[str, bool],
    scripts: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(ROOT)
    with caplog.at_level(logging.INFO):
        follow_store(Path("data/a.zarr"), **how)
    found = said(caplog)
    assert [words[1] for words in found] == scripts
    assert all("data=data/a.zarr" in words for words in found)
    assert ("stage=pretrain" in found[-1]) == ("simulated" in how)
