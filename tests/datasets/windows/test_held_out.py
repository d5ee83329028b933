"""Episodes that are kept apart: none of their steps is learned from, and learning is the same."""

from pathlib import Path

import numpy as np
import pytest

from configs.stopping import StoppedError
from datasets.collection.held_out import held_out_steps
from datasets.store.store import EpisodeStore
from datasets.windows import load_windows
from perception.errors import InputError
from policy.pretraining.config import PretrainConfig
from policy.pretraining.looks import Looks
from policy.pretraining.pretrain import pretrain
from policy.runs.metrics import read_metrics
from policy.runs.run import Run
from tests.helpers.commands import refuse, succeed
from tests.helpers.made_up import episode, write
from tests.helpers.small_planner import small_planner
from tests.policy.pipeline.test_stopping import ABOUT, asked
from tests.policy.test_training import PRETRAINING, assert_same_weights

HELD_OUT = "pretrain/held_out_loss"
PLAN = {"history": 2, "horizon": 4, "chunk": 3}


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5])
def test_windows_lie_wholly_on_one_side(share: float, tiny_store: Path) -> None:
    paths, store = [tiny_store, tiny_store], EpisodeStore.open(tiny_store)
    steps = held_out_steps(paths, share)
    windows = load_windows(paths, **PLAN)
    inside, outside = windows.apart(steps)
    assert len(inside) + len(outside) == len(windows)
    assert not steps[inside.rows.numpy()].any()
    assert steps[outside.rows.numpy()].all()
    ends = np.concatenate([store.episode_ends, store.steps + store.episode_ends])
    last = steps[ends - 1].reshape(2, store.episodes)
    assert np.array_equal(last[0], last[1])
    assert last[0].sum() == max(1, round(share * store.episodes))
    assert last[0][-1]


def test_one_episode_cannot_be_divided(tmp_path: Path) -> None:
    short = tmp_path / "short.zarr"
    write(short, episode(5))
    with pytest.raises(InputError, match=r"short\.zarr has one episode, and nothing would be left"):
        held_out_steps([short], 0.1)


def test_looking_at_what_is_held_out_changes_nothing(tiny_store: Path, tmp_path: Path) -> None:
    config = PretrainConfig(12, 8, 1e-3, None, False, "float32", 5, 4)
    windows = load_windows([tiny_store], **PLAN)
    inside, outside = windows.apart(held_out_steps([tiny_store], 0.3))
    looks = Looks(outside)
    plain, looked, stopped = (Run(tmp_path / n, ABOUT) for n in ("plain", "looked", "stopped"))
    pretrain(small_planner(), inside, config, run=plain, seed=0)
    pretrain(small_planner(), inside, config, run=looked, seed=0, looks=looks)
    with pytest.raises(StoppedError):
        pretrain(small_planner(), inside, config, run=stopped, seed=0, looks=looks, stop=asked(6))
    pretrain(small_planner(), inside, config, run=stopped, seed=0, looks=looks)
    assert_same_weights(plain.path, looked.path, "pretrain")
    noted = [read_metrics(run.path / "pretrain.jsonl") for run in (looked, stopped)]
    assert noted[0] == noted[1]
    losses = {line["step"]: line[HELD_OUT] for line in noted[0] if HELD_OUT in line}
    assert list(losses) == [4, 8, 12]
    assert losses[12] < losses[4]


def test_a_run_says_what_its_planner_has_not_seen(tiny_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = (*PRETRAINING, f"data={tiny_store}", f"out={out}", "stage=pretrain")
    succeed("policy/train.py", *command, "pretrain.held_out=0.25")
    assert any(HELD_OUT in line for line in read_metrics(out / "pretrain.jsonl"))
    line = refuse("policy/train.py", *command, "pretrain.held_out=0.9")
    assert "pretrain.held_out must be" in line
