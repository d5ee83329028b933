"""Figures of one run: losses, success along the way, and before against after."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from policy.rollouts.evaluation import Evaluation
from visualizer.plots import FAILURE, INK, SUCCESS, dress, new_figure, to_png
from visualizer.smoothing import trailing_mean

SMOOTHED_ITERATIONS = 5  # Ten episodes each: too few to look at raw.

OLD_NAMES = {"finetune/clip_fraction": "finetune/clipped"}  # Of what older runs noted.
IMPROVEMENT = ("finetune/ppo_loss", "finetune/improvement_loss")  # Hovers about zero: not drawn.

WATCHED = {
    "finetune/clip_fraction": "share of clipped ratios",
    "finetune/gradient_norm": "gradient norm",
}

Lines = Sequence[Mapping[str, Any]]  # What `policy.runs.run.read_metrics` gives.


def loss_plot(metrics: Lines) -> bytes:
    """Draw the pre-training loss over gradient steps, and success along them, if it was noted."""
    played = series(metrics, "evaluation/success")
    panels = 1 + bool(len(played[0]))
    figure = new_figure(5.4 * panels, 3.2)
    axes, *others = figure.subplots(1, panels, squeeze=False)[0]
    for success in others:
        success.plot(*played, "o-", color=SUCCESS, linewidth=1.2, markersize=4)
        success.set_ylim(-0.03, 1.03)
        dress(success, "gradient step", "success, evaluated")
    axes.plot(*series(metrics, "pretrain/loss"), color=INK, linewidth=1.5, label="learned from")
    held_out = series(metrics, "pretrain/held_out_loss")
    if len(held_out[0]):
        axes.plot(*held_out, "o-", color=FAILURE, linewidth=1.2, markersize=3, label="held out")
        axes.legend(frameon=False, fontsize=8, labelcolor=INK)
    axes.set_yscale("log")
    dress(axes, "gradient step", "loss (Eq. 7)")
    return to_png(figure)


def learning_plot(metrics: Lines) -> bytes:
    """Draw success along fine-tuning, and what to watch while it learns, if it was noted."""
    watched = [(name, words) for name, words in WATCHED.items() if len(series(metrics, name)[0])]
    others = regularisers(metrics)
    figure = new_figure(11, 3.2)
    success, *panels = figure.subplots(1, 1 + len(watched) + bool(others), squeeze=False)[0]
    episodes, rates = series(metrics, "finetune/success")
    success.plot(episodes, rates, ".", color=INK, alpha=0.35, label="while exploring")
    success.plot(episodes, trailing_mean(rates, SMOOTHED_ITERATIONS), color=INK, linewidth=1.5)
    checked = series(metrics, "evaluation/success")
    if len(checked[0]):
        success.plot(*checked, "o-", color=SUCCESS, linewidth=1.2, markersize=4, label="evaluated")
    success.set_ylim(-0.03, 1.03)
    success.legend(frameon=False, fontsize=8, labelcolor=INK)
    dress(success, "episode", "success")
    for axes, (name, words) in zip(panels, watched, strict=False):
        axes.plot(*series(metrics, name), color=INK, linewidth=1.2)
        dress(axes, "episode", words)
    for name, colour in zip(others, cycle((INK, SUCCESS, FAILURE))):
        label = name.removeprefix("finetune/").removesuffix("_loss")
        panels[-1].plot(*series(metrics, name), color=colour, linewidth=1.2, label=label)
        panels[-1].legend(frameon=False, fontsize=8, labelcolor=INK)
    if others:
        dress(panels[-1], "episode", "loss of the other terms")
    return to_png(figure)


def regularisers(metrics: Lines) -> list[str]:
    """Name the losses of the objective's terms, without PPO's, as the metrics do."""
    names = {name for line in metrics for name in line if name.startswith("finetune/")}
    return sorted(n for n in names if n.endswith("_loss") and n not in IMPROVEMENT)


def comparison_plot(stages: Mapping[str, Evaluation], data_rate: float | None) -> bytes:
    """Draw the success of each stage with its 95 % interval, and that of the data."""
    figure = new_figure(5.4, 3.2)
    axes = figure.subplots()
    rates = np.array([evaluation.rate for evaluation in stages.values()])
    spans = np.array([evaluation.interval for evaluation in stages.values()]).T
    colours = [FAILURE, SUCCESS, INK][: len(rates)]
    errors = np.abs(spans - rates)
    axes.bar(list(stages), rates, width=0.55, color=colours, alpha=0.85)
    axes.errorbar(list(stages), rates, errors, fmt="none", ecolor=INK, capsize=5, linewidth=1.4)
    if data_rate is not None:
        axes.axhline(data_rate, color=INK, linestyle=":", linewidth=1.2)
        axes.text(0.99, data_rate + 0.015, "recorded data", fontsize=8, color=INK, ha="right",
                  transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_ylim(0, 1.02)
    dress(axes, "", "success")
    return to_png(figure)


def series(metrics: Lines, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Give the steps at which something was noted, and its values; older names are understood."""
    old = OLD_NAMES.get(name, name)
    noted = [(line["step"], line.get(name, line.get(old))) for line in metrics]
    lines = [(step, value) for step, value in noted if value is not None]
    pairs: np.ndarray = np.array(lines, np.float64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
