"""How far a command is: lines where there is no terminal, and never a carriage return."""

import pytest

from configs import progress as module
from configs.progress import progress


def test_lines_are_written_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(None, "pre-train", 40, initial=10, unit="step") as shown:
        for _ in range(30):
            shown.update()
            shown.set_postfix(loss="0.5")
    said = capsys.readouterr().err
    assert said.startswith("pre-train: 40 of 40 steps, ")
    assert "loss=0.5" in said
    assert said.count("\n") == 1
    assert "\r" not in said


def test_a_line_comes_every_so_often(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EVERY_S", 0.0)
    assert list(progress(range(3), "merge", unit="episode")) == [0, 1, 2]
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("merge: 1 of 3 episodes, ")
    assert said[-1].startswith("merge: 3 of 3 episodes, ")


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    list(progress(range(3), "evaluate", unit="episode", quiet=True))
    assert capsys.readouterr().err == ""
