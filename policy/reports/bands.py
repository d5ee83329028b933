"""Curves of several variants over online episodes, each with a band over its seeds."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import cycle

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from policy.reports.curves import SMOOTHED_ITERATIONS, Lines, series
from visualizer.plots import FAILURE, INK, SUCCESS, dress, new_figure, to_png
from visualizer.smoothing import trailing_mean

COLOURS = {
    "pretrained": "#98a2b1", "bc": SUCCESS, "none": FAILURE, "kl": "#3d6fd1", "pl": "#8a5cd1",
    "bc_only": "#b8860b", "scratch": "#5c6b7a",
}  # fmt: skip
OTHERS = ("#c2548f", "#2b8a9d", "#7a8b2f", "#a0522d", "#274690")
SUCCESSES = {
    "finetune/success": "success while exploring (mean of 5 iterations)",
    "evaluation/success": "success, evaluated",
}
WATCHED = {
    "finetune/clip_fraction": "share of clipped ratios",
    "finetune/ratio": "mean ratio",
    "finetune/gradient_norm": "gradient norm",
}

Runs = Mapping[str, Sequence[Lines]]  # By variant, then by seed.


def colours(names: Iterable[str]) -> dict[str, str]:
    """Give variants their colours, the same ones in every figure as far as they are named here."""
    others = cycle(OTHERS)
    return {name: COLOURS[name] if name in COLOURS else next(others) for name in names}


def success_plot(runs: Runs, before: float | None) -> bytes | None:
    """Draw success over online episodes, while exploring and as evaluated.

    Args:
        runs: Metrics along fine-tuning.
        before: Success of the pre-trained planner, drawn as a line.

    Returns:
        A PNG; None where nothing was noted.
    """
    return _panels(runs, SUCCESSES, (5.4, 3.7), lambda axes: _as_shares(axes, before))


def watched_plot(runs: Runs) -> bytes | None:
    """Draw what to watch while PPO learns: clipped share, ratio and gradient norm."""
    return _panels(runs, WATCHED, (3.9, 3.1), lambda axes: None)


def band(
    seeds: Sequence[tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]],
) -> tuple[Float[np.ndarray, " step"], Float[np.ndarray, "seed step"]]:
    """Bring the curves of seeds onto common steps: every step that all of them cover.

    Seeds may have been looked at after different numbers of episodes; between its own steps a
    curve is taken to be straight, and beyond them it is not continued.
    """
    low, high = max(s[0] for s, _ in seeds), min(s[-1] for s, _ in seeds)
    steps = np.unique(np.concatenate([s for s, _ in seeds]))
    steps = steps[(steps >= low) & (steps <= high)]
    return steps, np.stack([np.interp(steps, s, values) for s, values in seeds])


def _panels(
    runs: Runs,
    names: Mapping[str, str],
    size_in: tuple[float, float],
    finish: Callable[[Axes], None],
) -> bytes | None:
    """Draw one panel for each thing that was noted."""
    kept = {name: {v: _series(seeds, name) for v, seeds in runs.items()} for name in names}
    noted = {name: curves for name, curves in kept.items() if any(curves.values())}
    if not noted:
        return None
    figure = new_figure(size_in[0] * len(noted), size_in[1])
    panels = figure.subplots(1, len(noted), squeeze=False)[0]
    for axes, (name, curves) in zip(panels, noted.items(), strict=True):
        for variant, colour in colours(runs).items():
            if curves[variant]:
                _draw(axes, curves[variant], variant, colour)
        finish(axes)
        axes.legend(frameon=False, fontsize=8, labelcolor=INK)
        dress(axes, "online episodes", names[name])
    return to_png(figure)


def _series(seeds: Sequence[Lines], name: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Take what was noted under a name from each seed that has it."""
    curves = [series(lines, name) for lines in seeds]
    width = SMOOTHED_ITERATIONS if name == "finetune/success" else 1
    return [(steps, trailing_mean(values, width)) for steps, values in curves if len(steps)]


def _draw(
    axes: Axes, seeds: Sequence[tuple[np.ndarray, np.ndarray]], variant: str, colour: str
) -> None:
    """Draw a mean with the band from the lowest seed to the highest."""
    steps, values = band(seeds)
    label = f"{variant} ({len(seeds)} seed{'s' if len(seeds) > 1 else ''})"
    axes.plot(steps, values.mean(axis=0), color=colour, linewidth=1.6, label=label)
    axes.fill_between(steps, values.min(0), values.max(0), color=colour, alpha=0.18, lw=0)


def _as_shares(axes: Axes, before: float | None) -> None:
    axes.set_ylim(-0.03, 1.03)
    if before is not None:
        axes.axhline(before, color=INK, linestyle=":", linewidth=1.2, label="pre-trained")
