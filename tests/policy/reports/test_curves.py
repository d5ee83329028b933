"""Curves of a run, whether it was noted under today's names or under those of before."""

from policy.reports.curves import learning_plot, regularisers, series
from tests.helpers.pictures import assert_varied

BEFORE = [
    {"step": 10, "finetune/success": 0.1},
    {"step": 20, "finetune/clipped": 0.2, "finetune/regularisation_loss": 3.0,
     "finetune/improvement_loss": 0.1, "finetune/gradient_norm": 1.0, "finetune/success": 0.2},
]  # fmt: skip
NOW = [
    {"step": 10, "finetune/success": 0.1},
    {"step": 20, "finetune/clip_fraction": 0.2, "finetune/bc_loss": 3.0, "finetune/kl_loss": 1.0,
     "finetune/ppo_loss": 0.1, "finetune/gradient_norm": 1.0, "finetune/success": 0.2},
]  # fmt: skip


def test_older_names_are_understood() -> None:
    for metrics in (BEFORE, NOW):
        steps, values = series(metrics, "finetune/clip_fraction")
        assert (steps.tolist(), values.tolist()) == ([20], [0.2])
        assert_varied(learning_plot(metrics))
    assert regularisers(BEFORE) == ["finetune/regularisation_loss"]
    assert regularisers(NOW) == ["finetune/bc_loss", "finetune/kl_loss"]
