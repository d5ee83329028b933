"""Figures of what cameras sent over all steps of a store, as PNG bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes

from visualizer.plots import FAILURE, GRID, INK, dress, new_figure, to_png

SHOWN = 2000  # Steps in a figure; more only make it larger.
BINS = 40
COLOURS = ("#2f6db3", "#2a9d6f", "#d1603d", "#8a5fb0", "#c9a227", "#5c6b80")


@dataclass(frozen=True)
class Sent:
    """What came at every step of a store.

    Attributes:
        cameras: Their names.
        ends: Where each episode ends.
        points_seen: Pixels with a depth.
        points_in_box: Those of them inside the crop box.
        depth_range_m: The nearest and the farthest depth.
        world_from_camera: Where each camera stood.
        stamps: In seconds; None where none were sent.
    """

    cameras: tuple[str, ...]
    ends: Int[np.ndarray, " episode"]
    points_seen: Int[np.ndarray, "step camera"]
    points_in_box: Int[np.ndarray, "step camera"]
    depth_range_m: Float[np.ndarray, "step camera 2"]
    world_from_camera: Float[np.ndarray, "step camera 4 4"]
    stamps: Float[np.ndarray, " step"] | None

    @property
    def shares(self) -> Float[np.ndarray, "step camera"]:
        """Which share of what is seen lies in the crop box."""
        return np.asarray(self.points_in_box / np.maximum(self.points_seen, 1))

    @property
    def gaps_s(self) -> Float[np.ndarray, " gap"]:
        """Seconds between consecutive frames of an episode; none without stamps."""
        if self.stamps is None:
            return np.zeros(0)
        within = np.ones(len(self.stamps), bool)
        within[[0, *self.ends[:-1]]] = False
        return np.diff(self.stamps, prepend=self.stamps[0])[within]


def sent_plot(sent: Sent) -> bytes:
    """Draw share in the box, depth range, and seconds between frames, along the steps."""
    panels = 2 if sent.stamps is None else 3
    figure = new_figure(11, 3.1)
    drawn = [_draw_shares, _draw_depths, _draw_gaps][:panels]
    for axes, draw in zip(figure.subplots(1, panels, squeeze=False)[0], drawn, strict=True):
        draw(axes, sent)
    return to_png(figure)


def _shown(count: int) -> Int[np.ndarray, " step"]:
    return np.arange(0, count, max(1, count // SHOWN))


def _mark_episodes(axes: Axes, ends: Sequence[int]) -> None:
    if len(ends) <= 60:  # More would be a wall.
        for end in ends[:-1]:
            axes.axvline(end, color=GRID, linewidth=0.8, zorder=0)


def _draw_shares(axes: Axes, sent: Sent) -> None:
    steps = _shown(len(sent.points_seen))
    for index, name in enumerate(sent.cameras):
        colour = COLOURS[index % len(COLOURS)]
        axes.plot(steps, sent.shares[steps, index], color=colour, linewidth=1.2, label=name)
    axes.set_ylim(0, None)
    _mark_episodes(axes, sent.ends.tolist())
    dress(axes, "step", "share of what is seen in the box")
    axes.legend(frameon=False, fontsize=8, labelcolor=INK)


def _draw_depths(axes: Axes, sent: Sent) -> None:
    steps = _shown(len(sent.points_seen))
    for index in range(len(sent.cameras)):
        low, high = sent.depth_range_m[steps, index].T
        axes.fill_between(steps, low, high, color=COLOURS[index % len(COLOURS)], alpha=0.3)
    axes.set_ylim(0, None)
    _mark_episodes(axes, sent.ends.tolist())
    dress(axes, "step", "nearest to farthest depth, metres")


def _draw_gaps(axes: Axes, sent: Sent) -> None:
    gaps = 1000 * sent.gaps_s
    axes.hist(gaps, bins=BINS, range=(0, 1.1 * gaps.max(initial=1e-3)), color=INK)
    middle = float(np.median(gaps)) if len(gaps) else 0.0
    axes.axvline(middle, color=FAILURE, linewidth=1)
    dress(axes, f"milliseconds between frames (median {middle:.3g})", "frames")
