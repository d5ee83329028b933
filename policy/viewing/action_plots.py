"""Figures of actions over the steps of an episode, by the names of what they move."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from visualizer.plots import FAILURE, INK, dress, new_figure, to_png

SHOWN_NUMBERS = 6  # Of an action: those that vary most.


def actions_plot(
    executed: Float[np.ndarray, "step action"],
    planned: Float[np.ndarray, "step action"] | None = None,
    names: Sequence[str] = (),
) -> bytes:
    """Draw actions, of the numbers that vary most; planned ones over them in red.

    Args:
        executed: Or recorded.
        planned: What a planner would have done; None: it did it.
        names: Of the numbers; without, they are counted.
    """
    names = names or [f"action {number}" for number in range(executed.shape[1])]
    shown: Sequence[int] = sorted(np.argsort(-executed.std(axis=0), kind="stable")[:SHOWN_NUMBERS])
    figure = new_figure(6.0, 0.8 * max(3, len(shown)))
    panels = figure.subplots(len(shown), 1, squeeze=False, sharex=True)[:, 0]
    for axes, number in zip(panels, shown, strict=True):
        axes.plot(executed[:, number], color=INK, linewidth=1.2, label="recorded")
        if planned is not None:
            axes.plot(planned[:, number], color=FAILURE, linewidth=1.0, label="planned")
        dress(axes, "step" if number == shown[-1] else "", names[number])
        axes.yaxis.label.set(rotation=0, ha="right", va="center")
    if planned is not None:
        handles, words = panels[0].get_legend_handles_labels()
        figure.legend(handles, words, loc="outside upper right", ncols=2, frameon=False, fontsize=8)
    return to_png(figure)
