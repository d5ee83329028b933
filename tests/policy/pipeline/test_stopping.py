"""Ctrl-C: what was learned is saved at the next step, and the same command goes on, bit for bit."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.command import compose
from configs.stopping import StoppedError, StopRequest
from datasets.windows import load_windows
from envs.vector.vector_env import Shapes, VectorEnv
from policy.finetuning.loop import finetune
from policy.pipeline.config import TrainConfig
from policy.pipeline.stages import train
from policy.pretraining.config import PretrainConfig
from policy.pretraining.learner import Learner
from policy.pretraining.pretrain import pretrain
from policy.rollouts.evaluation import evaluate
from policy.runs.metrics import read_metrics
from policy.runs.run import Run
from tests.conftest import task_config
from tests.helpers.commands import ONE_THREAD, ROOT, start
from tests.helpers.small_planner import small_finetuning, small_planner
from tests.helpers.warm.processes import WarmProcess
from tests.policy.test_training import PRETRAINING, SMALL, assert_same_weights
from tests.robustness.shared.judged import descendants

ABOUT = {"about": {"task": "adroit-door", "seed": 0}}


class After(StopRequest):
    """A request that is made while one waits for the given answer."""

    def __init__(self, when: Callable[[], bool]) -> None:
        self._when = when

    @property
    def requested(self) -> bool:  # type: ignore[override]
        return self._when()


def asked(times: int) -> After:
    """Say yes when asked for so many times."""
    answers = iter([*[False] * (times - 1), *[True] * 99])
    return After(lambda: next(answers))


def test_a_stopped_pre_training_goes_on_bit_for_bit(tiny_store: Path, tmp_path: Path) -> None:
    windows = load_windows([tiny_store], history=2, horizon=4, chunk=3)
    config = PretrainConfig(12, 8, 1e-3, None, False, "float32", 5, 10)
    whole, stopped = (Run(tmp_path / name, ABOUT) for name in ("whole", "stopped"))
    pretrain(small_planner(), windows, config, run=whole, seed=0)
    for times, step in ((3, 3), (4, 7)):  # Neither is one at which metrics or states are due.
        words = f"stopped at step {step}; the same command goes on"
        with pytest.raises(StoppedError, match=words):
            pretrain(small_planner(), windows, config, run=stopped, seed=0, stop=asked(times))
    pretrain(small_planner(), windows, config, run=stopped, seed=0)
    assert_same_weights(whole.path, stopped.path, "pretrain")
    metrics = [read_metrics(run.path / "pretrain.jsonl") for run in (whole, stopped)]
    assert metrics[0] == metrics[1]
    assert [line["step"] for line in metrics[0]] == [5, 10]


def test_a_stopped_fine_tuning_goes_on_bit_for_bit(tmp_path: Path) -> None:
    config = task_config("adroit-door", "env.episode_steps=6", "env.view.points=32")
    envs = VectorEnv(config, Shapes(envs=2, history=2, chunk=3), workers=0)
    tuning = small_finetuning(initial_limit=3, episodes=8)
    whole, stopped = (Run(tmp_path / name, ABOUT) for name in ("whole", "stopped"))
    own = {"seed": 0, "success_at": "end"}
    finetune(small_planner(), envs, tuning, run=whole, **own)
    for episode in (2, 3, 5):  # Within the search, at its end, and behind it.
        words = f"stopped at episode {episode}; the same command goes on"
        with pytest.raises(StoppedError, match=words):
            finetune(small_planner(), envs, tuning, run=stopped, stop=asked(1), **own)
    finetune(small_planner(), envs, tuning, run=stopped, **own)
    assert_same_weights(whole.path, stopped.path, "finetune")
    metrics = [read_metrics(run.path / "finetune.jsonl") for run in (whole, stopped)]
    assert metrics[0] == metrics[1]
    assert [line["step"] for line in metrics[0]] == [3, 5, 7, 8]
    with pytest.raises(StoppedError, match="stopped while evaluating"):
        evaluate(small_planner().eval(), envs, [1, 2, 3], success_at="end", stop=asked(1))


def test_ctrl_c_reaches_the_command(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Learner.update

    def interrupted(self: Learner, windows: object) -> object:
        if self.step == 2:
            signal.raise_signal(signal.SIGINT)
        return update(self, windows)

    monkeypatch.setattr(Learner, "update", interrupted)
    words = [f"data={tiny_store}", f"out={tmp_path / 'run'}", *PRETRAINING, "stage=pretrain"]
    with pytest.raises(StoppedError, match="stopped at step 3; the same command goes on"):
        train(compose(TrainConfig, "train", words))
    assert (tmp_path / "run" / "checkpoints" / "pretrain-state.pt").exists()


def wait_for(process: "WarmProcess | subprocess.Popen[str]", metrics: Path) -> None:
    """Wait until a stage has noted something, or the process has ended."""
    while not read_metrics(metrics) and process.poll() is None:
        time.sleep(0.01)


def test_ctrl_c_in_a_terminal_ends_in_one_line(tiny_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    long = ("workers=1", "finetune.episodes=2000")
    process = start("policy/train.py", f"data={tiny_store}", f"out={out}", *SMALL, *long)
    wait_for(process, out / "finetune.jsonl")
    for pid in (process.pid, *descendants(process.pid)):  # Every process of the terminal.
        os.kill(pid, signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.wait() == 130, said
    assert "Traceback" not in said
    assert said.rstrip().splitlines()[-1].startswith("stopped at episode ")
    assert "was killed" not in said  # Its environments were left in peace.


@pytest.mark.skipif(sys.platform != "linux", reason="torchrun and gloo, as on Linux")
def test_ctrl_c_under_torchrun_saves_once(tiny_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    own = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = [f"data={tiny_store}", f"out={out}", *PRETRAINING, "stage=pretrain"]
    process = subprocess.Popen(
        [sys.executable, *own, ROOT / "policy" / "train.py", *words, "pretrain.steps=100000"],
        env={**os.environ, **ONE_THREAD},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    wait_for(process, out / "pretrain.jsonl")
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert said.count("; the same command goes on") == 1, said
    assert (out / "checkpoints" / "pretrain-state.pt").exists()
    assert not (out / "checkpoints" / "pretrain.safetensors").exists()
