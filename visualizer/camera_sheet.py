"""What cameras see, side by side: picture, depth, what of it lies in the box, and the cloud."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped, UInt8
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from perception.camera import Pinhole, hangs, hits, project, unproject
from perception.point_cloud import DEPTH_LIMIT_M, Box, inside
from visualizer.boxes import COLOUR, box_edges
from visualizer.plots import INK, TILE_PX, draw_cloud, frame, new_figure, to_png
from visualizer.viewpoint import stand_back

EDGE = tuple(part / 255 for part in COLOUR)
ROW_IN, COLUMN_IN = 2.75, 3.0
OUTSIDE = 0.35  # How strongly what lies outside the box is shown.


@dataclass(frozen=True)
class Sight:
    """What one camera sees at a moment.

    Attributes:
        name: Of the camera.
        camera: It.
        depth_m: 0 where nothing was hit.
        cloud: Of what lies in the box; may be empty.
        picture: In colour, of any size, if there is one.
    """

    name: str
    camera: Pinhole
    depth_m: Float[np.ndarray, "height width"]
    cloud: Float[np.ndarray, "point axis"]
    picture: UInt8[np.ndarray, "picture_height picture_width 3"] | None = None

    def in_box(self, box: Box) -> Bool[np.ndarray, "height width"]:
        """Tell which pixels show something inside a box."""
        shown = hits(self.depth_m, DEPTH_LIMIT_M)
        shown[shown] = inside(unproject(self.depth_m, self.camera, limit_m=DEPTH_LIMIT_M), box)
        return shown


def camera_sheet(sights: Sequence[Sight], box: Box) -> bytes:
    """Draw what each camera sees as a row of panels, with the box in red; as PNG."""
    pictured = any(sight.picture is not None for sight in sights)
    columns = 4 if pictured else 3
    figure = new_figure(columns * COLUMN_IN, len(sights) * ROW_IN)
    rows = figure.subplots(len(sights), columns, squeeze=False)
    for row, sight in zip(rows, sights, strict=True):
        panels = list(row)
        if pictured:
            _draw_picture(panels.pop(0), sight, box)
        depth, kept, cloud = panels
        _draw_depth(figure, depth, sight)
        _draw_kept(kept, sight, box)
        _draw_cloud(cloud, sight, box)
        turned = "\n(upside down,\nshown turned)" if hangs(sight.camera) else ""
        row[0].set_ylabel(f"{sight.name}{turned}", fontsize=10, color=INK)
    return to_png(figure)


def _draw_picture(axes: Axes, sight: Sight, box: Box) -> None:
    if sight.picture is None:
        axes.text(0.5, 0.5, "no colour", ha="center", color=INK, transform=axes.transAxes)
        _plain(axes, "picture", sight.camera)
        return
    axes.imshow(_as_held(sight.picture, sight.camera), extent=_extent(sight.camera))
    _draw_edges(axes, sight.camera, box)
    _plain(axes, "picture, and the crop box", sight.camera)


def _draw_depth(figure: Figure, axes: Axes, sight: Sight) -> None:
    hit = hits(sight.depth_m, DEPTH_LIMIT_M)
    if not hit.any():
        axes.text(0.5, 0.5, "no depth at all", ha="center", color=INK, transform=axes.transAxes)
        _plain(axes, "depth", sight.camera)
        return
    low, high = np.quantile(sight.depth_m[hit], [0.01, 0.99])
    shown = _as_held(np.where(hit, sight.depth_m, np.nan), sight.camera)
    image = axes.imshow(shown, cmap="viridis_r", vmin=low, vmax=high, extent=_extent(sight.camera))
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    bar.ax.tick_params(labelsize=7, colors=INK, length=0)
    bar.outline.set_visible(False)
    _plain(axes, f"depth in metres, {hit.mean():.0%} of the pixels", sight.camera)


def _draw_kept(axes: Axes, sight: Sight, box: Box) -> None:
    hit, kept = hits(sight.depth_m, DEPTH_LIMIT_M), sight.in_box(box)
    low, high = np.quantile(sight.depth_m[hit], [0.01, 0.99]) if hit.any() else (0, 1)
    share = ((sight.depth_m - low) / max(high - low, 1e-6)).clip(0, 1)
    colours = colormaps["viridis_r"](share)[..., :3]
    grey = colours.mean(axis=-1, keepdims=True) * OUTSIDE + (1 - OUTSIDE)
    shown = np.where(kept[..., None], colours, np.where(hit[..., None], grey, 1.0))
    axes.imshow(_as_held(shown, sight.camera), extent=_extent(sight.camera))
    _draw_edges(axes, sight.camera, box)
    said = f"{kept.sum() / max(hit.sum(), 1):.0%} of them in the box: {kept.sum():,} points"
    _plain(axes, said, sight.camera)


def _draw_cloud(axes: Axes, sight: Sight, box: Box) -> None:
    edges = box_edges(box)
    cloud = sight.cloud
    view = stand_back(edges, [sight.camera])
    pixels, _ = project(edges.reshape(-1, 3), view.camera(TILE_PX))
    axes.add_collection(
        LineCollection(list(pixels.reshape(-1, 2, 2)), colors=[EDGE], linewidths=0.8)
    )
    if len(cloud):
        draw_cloud(axes, cloud, view)
    frame(axes, pixels)
    axes.set_box_aspect(TILE_PX[1] / TILE_PX[0])
    axes.set_title(f"{len(cloud):,} points of the cloud, and the box", fontsize=8, color=INK)


def _draw_edges(axes: Axes, camera: Pinhole, box: Box) -> None:
    """Draw a box where the camera sees it; edges that reach behind the camera are left out."""
    edges = box_edges(box)
    with np.errstate(divide="ignore", invalid="ignore"):  # Where an end is at the camera.
        pixels, depth_m = project(edges.reshape(-1, 3), camera)
    whole = (depth_m.reshape(-1, 2) > 0).all(axis=1)
    lines = pixels.reshape(-1, 2, 2)[whole]
    if hangs(camera):
        lines = (camera.width - 1, camera.height - 1) - lines
    axes.add_collection(LineCollection(list(lines), colors=[EDGE], linewidths=0.9))


def _as_held(
    picture: Shaped[np.ndarray, "height width *channel"], camera: Pinhole
) -> Shaped[np.ndarray, "height width *channel"]:
    """Turn the pictures of a camera that hangs upside down, so that up is up."""
    return picture[::-1, ::-1] if hangs(camera) else picture


def _extent(camera: Pinhole) -> tuple[float, float, float, float]:
    """Say where a picture's edges are, in the camera's pixels: a picture may be of another size."""
    return (-0.5, camera.width - 0.5, camera.height - 0.5, -0.5)


def _plain(axes: Axes, title: str, camera: Pinhole) -> None:
    """Show a camera's whole picture, and nothing beside it."""
    left, right, bottom, top = _extent(camera)
    axes.set(xticks=[], yticks=[], xlim=(left, right), ylim=(bottom, top), aspect="equal")
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=8, color=INK)
