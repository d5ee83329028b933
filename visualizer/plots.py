"""Figures of episodes and stores, as PNG bytes; nothing here touches pyplot or its state."""

import io
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from perception.camera import Pinhole, project
from visualizer.viewpoint import Viewpoint, stand_back

INK, GRID, SUCCESS, FAILURE = "#33415c", "#e3e7ed", "#2a9d6f", "#d1603d"
BEHIND_COLOUR = "#c3cad4"  # Behind clouds with colour, which may be white.
DPI = 110
TILE_PX, LEFT_PX, TOP_PX = (300, 240), 130, 40  # (Width, height) of a tile; margins.


def episode_plot(
    rewards: Float[np.ndarray, " time"], successes: Bool[np.ndarray, " time"]
) -> bytes:
    """Draw reward, return so far, and when the goal was reached, over the steps of an episode."""
    figure = new_figure(4.6, 4.2)
    upper, lower = figure.subplots(2, 1, sharex=True)
    steps = np.arange(len(rewards))
    upper.plot(steps, rewards, color=INK, linewidth=1.4)
    lower.plot(steps, np.cumsum(rewards), color=INK, linewidth=1.4)
    for axes, label in ((upper, "reward"), (lower, "return so far")):
        dress(axes, ylabel=label)
        low, high = axes.get_ylim()
        axes.fill_between(
            steps, low, high, where=successes, step="mid", color=SUCCESS, alpha=0.18, linewidth=0
        )
        axes.set_ylim(low, high)
    lower.set_xlabel("step")
    reached = "goal reached where green" if successes.any() else "goal never reached"
    upper.set_title(reached, fontsize=9, color=SUCCESS if successes.any() else FAILURE, loc="left")
    return to_png(figure)


def contact_sheet(
    clouds: Float[np.ndarray, "row column point axis"],
    row_titles: Sequence[str],
    column_titles: Sequence[str],
    *,
    cameras: Sequence[Pinhole] = (),
) -> bytes:
    """Draw clouds at a slant: one row for each episode, one column for each step shown."""
    rows, columns = clouds.shape[:2]
    everything = clouds[..., :3].reshape(-1, 3).astype(np.float64)
    view = stand_back(everything, cameras)
    pixels, _ = project(everything, view.camera(TILE_PX))
    width_px, height_px = columns * TILE_PX[0], rows * TILE_PX[1]
    whole_px = (width_px + LEFT_PX, height_px + TOP_PX)
    figure = new_figure(whole_px[0] / DPI, whole_px[1] / DPI, constrained=False)
    tiles = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(LEFT_PX / whole_px[0], 0, 1, height_px / whole_px[1], 0, 0)
    for tile, cloud in zip(tiles.flat, clouds.reshape(-1, *clouds.shape[2:]), strict=True):
        draw_cloud(tile, cloud, view)
        frame(tile, pixels)
    for tile, title in zip(tiles[:, 0], row_titles, strict=True):
        tile.set_ylabel(title, fontsize=9, color=INK, rotation=0, ha="right", va="center")
    for tile, title in zip(tiles[0], column_titles, strict=True):
        tile.set_title(title, fontsize=10, color=INK)
    return to_png(figure)


def draw_cloud(tile: Axes, cloud: Float[np.ndarray, "point axis"], view: Viewpoint) -> None:
    """Draw far points first, near ones larger and darker; own colour where there is one."""
    pixels, depth_m = project(cloud[:, :3].astype(np.float64), view.camera(TILE_PX))
    middle_m = float(np.linalg.norm(view.target - view.position))
    nearness = np.clip((middle_m - depth_m) / view.extent_m + 0.5, 0, 1)
    order = np.argsort(-depth_m)
    own = cloud[:, 3:].clip(0, 1)  # A quantised store may give 1.00002.
    colours = own if cloud.shape[1] == 6 else colormaps["GnBu"](0.3 + 0.7 * nearness)
    sizes = 8 * (middle_m / depth_m) ** 2
    u, v = pixels[order].T
    tile.scatter(u, v, s=sizes[order], c=colours[order], linewidths=0)
    if cloud.shape[1] == 6:
        tile.set_facecolor(BEHIND_COLOUR)


def frame(tile: Axes, pixels: Float[np.ndarray, "point 2"]) -> None:
    """Show the part of the picture that holds all these pixels, undistorted."""
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    half = 0.54 * np.max((high - low) / TILE_PX) * np.array(TILE_PX)
    (left, top), (right, bottom) = (low + high) / 2 - half, (low + high) / 2 + half
    tile.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    tile.spines[:].set_color(GRID)


def new_figure(width_in: float, height_in: float, *, constrained: bool = True) -> Figure:
    """Make an empty figure in the common look; sizes in inches."""
    layout: Literal["constrained"] | None = "constrained" if constrained else None
    figure = Figure(figsize=(width_in, height_in), dpi=DPI, facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    return figure


def dress(axes: Axes, xlabel: str = "", ylabel: str = "") -> None:
    """Give axes the common look."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.tick_params(colors=INK, labelsize=8, length=0)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(xlabel, fontsize=9, color=INK)
    axes.set_ylabel(ylabel, fontsize=9, color=INK)


def to_png(figure: Figure) -> bytes:
    """Give a figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
