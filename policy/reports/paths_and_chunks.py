"""Paths of the hand and executed chunks, before and after fine-tuning (paper, Fig. 2 and 6)."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from sklearn.manifold import TSNE

from perception.errors import InputError
from policy.reports.bands import colours
from policy.reports.traces import Traces
from visualizer.plots import FAILURE, INK, SUCCESS, dress, new_figure, to_png

CHUNKS = 400  # Of each variant: enough to show its shape, embedded in seconds.
PERPLEXITY = 30.0  # Van der Maaten and Hinton's usual one.


def paths_plot(traces: Mapping[str, Traces]) -> bytes:
    """Draw the paths of the hand along the two world axes of largest spread, a panel a variant."""
    shown = largest_spread(list(traces.values()))
    figure = new_figure(4.2 * len(traces), 4.3)
    panels = figure.subplots(1, len(traces), squeeze=False, sharex=True, sharey=True)[0]
    for axes, (variant, found) in zip(panels, traces.items(), strict=True):
        _draw_paths(axes, found, shown)
        count = f"{found.successes.sum()} of {len(found.successes)} succeed"
        axes.set_title(f"{variant}: {count}", fontsize=9, color=INK, loc="left")
        axes.set_aspect("equal", adjustable="box")
        dress(axes, *(f"world {'xyz'[axis]} (m)" for axis in shown))
    kinds = {"succeeds": SUCCESS, "fails": FAILURE}
    handles = [Line2D([], [], color=colour, label=kind) for kind, colour in kinds.items()]
    panels[0].legend(handles=handles, frameon=False, fontsize=8, labelcolor=INK)
    return to_png(figure)


def _draw_paths(axes: Axes, found: Traces, shown: tuple[int, int]) -> None:
    """Draw each path from its dot on; successes lie above failures."""
    for index in np.argsort(found.successes, kind="stable"):
        u, v = found.paths[index][:, shown].T
        colour = SUCCESS if found.successes[index] else FAILURE
        axes.plot(u, v, color=colour, alpha=0.55, linewidth=0.9)
        axes.plot(u[:1], v[:1], ".", color=INK, markersize=3)


def largest_spread(traces: Sequence[Traces]) -> tuple[int, int]:
    """Choose the two world axes along which all paths together vary most, in the axes' order."""
    moments = np.concatenate([found.paths.reshape(-1, 3) for found in traces])
    spread = np.nanstd(moments, axis=0)
    first, second = sorted(int(axis) for axis in np.argsort(-spread, kind="stable")[:2])
    return first, second


def chunks_plot(traces: Mapping[str, Traces]) -> bytes:
    """Draw the executed chunks of all variants in one t-SNE embedding, coloured by variant."""
    places, owners = embed({name: found.chunks for name, found in traces.items()})
    figure = new_figure(6.2, 5.2)
    axes = figure.subplots()
    for owner, (variant, colour) in enumerate(colours(traces).items()):
        u, v = places[owners == owner].T
        axes.scatter(u, v, s=9, color=colour, alpha=0.6, linewidths=0, label=variant)
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, markerscale=2)
    dress(axes)
    axes.set(xticks=[], yticks=[])
    return to_png(figure)


def embed(
    chunks: Mapping[str, Float[np.ndarray, "plan chunk action"]],
) -> tuple[Float[np.ndarray, "point 2"], Int[np.ndarray, " point"]]:
    """Lay the chunks of all variants out together by t-SNE, from a fixed random state.

    Returns:
        Places in the plane, and for each the index of the variant it belongs to.

    Raises:
        InputError: Variants plan chunks of different shapes, or there are too few.
    """
    shapes = {name: found.shape[1:] for name, found in chunks.items()}
    if len(set(shapes.values())) > 1:
        raise InputError(f"Chunks of different shapes cannot be laid out together: {shapes}")
    kept = [_evenly(found.reshape(len(found), -1)) for found in chunks.values()]
    together = np.concatenate(kept)
    if len(together) < 4:
        raise InputError(f"t-SNE needs four chunks or more, not {len(together)}")
    perplexity = min(PERPLEXITY, (len(together) - 1) / 3)
    places = TSNE(init="pca", perplexity=perplexity, random_state=0).fit_transform(together)
    owners = np.repeat(np.arange(len(kept)), [len(found) for found in kept])
    return np.asarray(places, np.float64), owners


def _evenly(found: Float[np.ndarray, "chunk number"]) -> Float[np.ndarray, "kept number"]:
    """Keep at most CHUNKS, evenly spread over the evaluation."""
    chosen = np.linspace(0, len(found) - 1, min(CHUNKS, len(found))).astype(int)
    kept: np.ndarray = found[chosen]
    return kept
