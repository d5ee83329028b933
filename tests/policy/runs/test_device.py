"""What a process is set up for before it computes."""

import subprocess
import sys

import pytest

from policy.runs.device import permitted
from tests.helpers.commands import ROOT

# Equal rows in, so equal rows out; the memory that is freed before is what a wrong one would show.
LSTM = """
import torch
from policy.runs.device import prepare
prepare("cpu", {threads})
layer = torch.nn.LSTM(128, 16, 2, batch_first=True)
junk = [torch.full((256, 128), float("nan")) for _ in range(50)]
del junk
given = layer(torch.zeros(256, 4, 128))[0]
assert torch.allclose(given, given[:1].expand_as(given), atol=1e-6), torch.get_num_threads()
"""


@pytest.mark.parametrize(
    ("limit", "given"), [(None, 4), ("", 4), ("1", 1), ("3", 3), ("8", 4), ("0", 4), ("many", 4)]
)
def test_no_more_threads_than_openmp_may_start(
    limit: str | None, given: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_THREAD_LIMIT", raising=False)
    if limit is not None:
        monkeypatch.setenv("OMP_THREAD_LIMIT", limit)
    assert permitted(4) == given


@pytest.mark.parametrize("threads", [0, 2])
def test_a_limit_on_threads_changes_no_result(threads: int) -> None:
    """OpenMP reads its limit once, at its start: a process of its own."""
    subprocess.run(
        [sys.executable, "-c", LSTM.format(threads=threads)],
        cwd=ROOT,
        env={"OMP_THREAD_LIMIT": "1", "OMP_NUM_THREADS": "2", "PATH": ""},
        check=True,
    )
