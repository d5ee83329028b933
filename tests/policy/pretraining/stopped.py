"""A pre-training that is stopped and goes on, beside one that was not."""

from pathlib import Path

import pytest

from configs.stopping import StoppedError
from datasets.windows import Windows
from policy.pretraining.config import PretrainConfig
from policy.pretraining.pretrain import pretrain
from policy.runs.metrics import read_metrics
from policy.runs.run import Run
from tests.helpers.small_planner import small_planner
from tests.policy.pipeline.test_stopping import ABOUT, asked
from tests.policy.test_training import assert_same_weights


def pretrained(windows: Windows, config: PretrainConfig, folder: Path, name: str) -> Run:
    """Pre-train a small planner."""
    run = Run(folder / name, ABOUT)
    pretrain(small_planner(), windows, config, run=run, seed=0)
    return run


def goes_on(windows: Windows, config: PretrainConfig, folder: Path) -> Run:
    """Check that a stopped one ends bit for bit as one that was not; give the latter."""
    stopped = Run(folder / "stopped", ABOUT)
    with pytest.raises(StoppedError):
        pretrain(small_planner(), windows, config, run=stopped, seed=0, stop=asked(4))
    runs = [pretrained(windows, config, folder, name) for name in ("whole", "stopped")]
    assert_same_weights(runs[0].path, runs[1].path, "pretrain")
    metrics = [read_metrics(run.path / "pretrain.jsonl") for run in runs]
    assert metrics[0] == metrics[1]
    return runs[0]
