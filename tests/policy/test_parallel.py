"""Pre-training by several processes is pre-training by one; numbers that are not finite stop it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from configs.command import compose
from datasets.behaviours.training_state import load_state
from datasets.windows import load_windows
from perception.errors import InputError
from policy.pipeline.config import TrainConfig
from policy.pipeline.stages import train
from policy.pretraining.config import PretrainConfig
from policy.pretraining.pretrain import pretrain
from policy.runs.distributed import Team
from policy.runs.metrics import read_metrics
from policy.runs.run import Run
from tests.helpers.commands import ONE_THREAD, ROOT
from tests.helpers.small_planner import small_planner
from tests.policy.pipeline.without_page import train_without_page
from tests.policy.test_training import PRETRAINING

ALONE = ("stage=pretrain", "pretrain.steps=60")


def torchrun(*arguments: str) -> "subprocess.Popen[str]":
    own = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    return subprocess.Popen(
        [sys.executable, *own, str(ROOT / "policy" / "train.py"), *arguments],
        env={**os.environ, **ONE_THREAD},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def follower(process: "subprocess.Popen[str]") -> int:
    """Find the process of rank 1 among those that torchrun started."""
    children = (
        Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split()
    )
    (found,) = (
        pid for pid in children if b"\0RANK=1\0" in Path(f"/proc/{pid}/environ").read_bytes()
    )
    return int(found)


@pytest.mark.skipif(sys.platform != "linux", reason="finds a process by /proc")
def test_two_processes_learn_what_one_learns_also_when_one_was_killed(
    tiny_store: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    train_without_page(f"data={tiny_store}", f"out={one}", *PRETRAINING, *ALONE)
    command = (f"data={tiny_store}", f"out={two}", *PRETRAINING, *ALONE)
    killed = torchrun(*command)
    while len(read_metrics(two / "pretrain.jsonl")) < 2 and killed.poll() is None:
        time.sleep(0.01)
    os.kill(follower(killed), signal.SIGKILL)
    output, _ = killed.communicate(timeout=300)
    assert killed.returncode == 1, output
    assert not (two / "checkpoints" / "pretrain.safetensors").exists()

    whole = torchrun(*command)
    output, _ = whole.communicate(timeout=300)
    assert whole.returncode == 0, output
    assert output.count("pretrain goes on after step") == output.count("look at") == 1  # One voice.
    first, second = (read_metrics(out / "pretrain.jsonl") for out in (one, two))
    assert [line["step"] for line in first] == [line["step"] for line in second]
    assert [line["pretrain/loss"] for line in second] == pytest.approx(
        [line["pretrain/loss"] for line in first], rel=1e-5
    )
    theirs = load_file(two / "checkpoints" / "pretrain.safetensors")
    for name, weights in load_file(one / "checkpoints" / "pretrain.safetensors").items():
        torch.testing.assert_close(theirs[name], weights, rtol=1e-3, atol=1e-4)


def test_shares_are_equal_and_make_up_the_whole() -> None:
    values = torch.arange(12)
    shares = [Team(rank, 3).share(values) for rank in range(3)]
    assert torch.equal(torch.cat(shares), values)
    with pytest.raises(InputError, match=r"pretrain\.batch=12 has no equal parts for 5 processes"):
        Team(0, 5).share(values)


def test_a_refusal_is_said_by_the_first_process_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = compose(TrainConfig, "train", [f"out={tmp_path}", "stage=zero_shot"])
    for rank, error in (("0", InputError), ("1", SystemExit)):
        monkeypatch.setenv("RANK", rank)
        with pytest.raises(error):
            train(config)


@pytest.mark.parametrize(("save_every", "kept"), [(1, "after step 1"), (5, "none was saved")])
def test_numbers_that_are_not_finite_end_pre_training(
    tiny_store: Path, tmp_path: Path, save_every: int, kept: str
) -> None:
    run = Run(tmp_path, {"about": {"task": "adroit-door", "seed": 0}})
    windows = load_windows([tiny_store], history=2, horizon=4, chunk=3)
    config = PretrainConfig(10, 8, 1e30, None, False, "float32", 5, save_every)
    for _ in range(2):  # It is not forgotten either.
        with pytest.raises(InputError, match=rf"at step 2; the last good.*{kept}"):
            pretrain(small_planner(), windows, config, run=run, seed=0)
    assert not run.checkpoint("pretrain").exists()
    assert read_metrics(tmp_path / "pretrain.jsonl") == []
    state = load_state(run.state_path("pretrain"))
    assert (state is None) == (save_every == 5)
    if state is not None:
        assert state["step"] == 1
        assert all(weights.isfinite().all() for weights in state["planner"].values())
