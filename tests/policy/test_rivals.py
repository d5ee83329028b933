"""Rivals of the planner in the same house: trained, resumed, judged and looked at, in miniature."""

from pathlib import Path

import pytest

from policy.planner.checkpoint import load_policy
from policy.planner.policies import bcrnn
from policy.runs.metrics import read_metrics
from tests.helpers.commands import refuse, succeed
from tests.policy.pipeline.without_page import train_without_page
from tests.policy.test_training import PRETRAINING

QUICK = [part for part in PRETRAINING if not part.startswith(("denoiser.", "planner."))]
SMALLER = {
    "simple-dp3": ("denoiser.widths=[16,32,48]", "denoiser.step_features=16"),
    "bcrnn-3d": ("planner.hidden=32",),
    "gaussian": ("planner.actor.hidden=32", "planner.actor.dropout=0.2"),
    "ibc-3d": ("planner.width=32", "planner.negatives=16", "planner.samples=64"),
    "flow": ("denoiser=mlp", "denoiser.width=32"),
    "mtdiff-3d": (
        "planner.width=32",
        "planner.layers=1",
        "planner.horizon=4",
        "planner.prompt=4",
        "planner.sampling_steps=5",
    ),
}
FILE = Path("checkpoints", "pretrain.safetensors")


def training(policy: str, data: Path, out: Path, steps: int) -> list[str]:
    task = [f"policy={policy}", f"data={data}", f"out={out}"]
    return [
        *task,
        *QUICK,
        *SMALLER[policy],
        "pretrain.learning_rate=3e-3",
        f"pretrain.steps={steps}",
    ]


@pytest.mark.parametrize("policy", SMALLER)
def test_a_rival_learns_goes_on_and_is_judged(
    policy: str, tiny_store: Path, tmp_path: Path
) -> None:
    out, whole = tmp_path / "run", tmp_path / "whole"
    constant = "pretrain.decay=constant"  # By the cosine, more steps are another way down.
    # What changes nothing that is learned.
    played = ("pretrain.evaluate_every=20", "pretrain.evaluate_episodes=1", "keep_every=20")
    for steps in (20, 40):
        train_without_page(*training(policy, tiny_store, out, steps), constant, *played)
    train_without_page(*training(policy, tiny_store, whole, 40), constant)
    first, second = (load_policy(path / FILE)[0].state_dict() for path in (out, whole))
    assert all(first[name].equal(second[name]) for name in second)
    losses = [row["pretrain/loss"] for row in read_metrics(whole / "pretrain.jsonl")]
    assert losses[-1] < losses[0]
    assert (out / "evaluation.json").exists()
    kept = load_policy(out / "checkpoints" / "pretrain-40.safetensors")[0].state_dict()
    assert all(kept[name].equal(second[name]) for name in second)
    noted = read_metrics(out / "pretrain.jsonl")
    assert [row["step"] for row in noted if "evaluation/success" in row] == [20, 40]


def test_a_rival_is_viewed_and_neither_fine_tuned_nor_recorded(
    tiny_store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    train_without_page(*training("bcrnn-3d", tiny_store, out, 5))
    assert isinstance(load_policy(out / FILE)[0], bcrnn.BcRnn)
    alone = ("episodes=1", "threads=1", "workers=0", "gallery=0")
    succeed("policy/evaluate.py", f"checkpoint={out}", *alone)
    page = tmp_path / "page.html"
    succeed("policy/view.py", f"checkpoint={out}", f"out={page}", "size=[64,48]")
    assert "bcrnn" in page.read_text()
    again = [*training("bcrnn-3d", tiny_store, out, 5), "stage=finetune"]
    assert "a policy of kind bcrnn has none" in refuse("policy/train.py", *again)
    init = ["stage=finetune", f"init_from={out}", f"out={tmp_path / 'tuned'}"]
    assert "a policy of kind bcrnn" in refuse("policy/train.py", *init)
    said = refuse("policy/record.py", f"checkpoint={out}", f"out={tmp_path / 'data.zarr'}")
    assert "a policy of kind bcrnn" in said


def test_a_rivals_result_has_its_name_and_a_planners_is_called_pretrained(
    tiny_store: Path, tmp_path: Path
) -> None:
    for policy in ("bcrnn-3d", "sodp"):
        learning = ["stage=pretrain", *QUICK, "pretrain.steps=2", "env=adroit-door"]
        own = SMALLER.get(policy, SMALLER["simple-dp3"])
        told = [f"policy={policy}", f"data={tiny_store}", f"results={tmp_path / 'results'}"]
        where = [f"out={tmp_path / policy}", "experiment=rivals"]
        train_without_page(*learning, *own, *told, *where)
    names = {path.parent.name for path in (tmp_path / "results").rglob("seed0.json")}
    assert names == {"bcrnn-3d", "pretrained"}
