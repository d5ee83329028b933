"""A film of clouds: what was seen over time, from where, and what matters in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib import colormaps

from perception.camera import Pinhole
from perception.point_cloud import Box


@dataclass(frozen=True)
class LiesOn:
    """What each point of a film's clouds lies on.

    Attributes:
        names: What there is, e.g. hand, object and goal.
        indices: For every point an index of the names.
    """

    names: Sequence[str]
    indices: UInt8[np.ndarray, "frame point"]


@dataclass(frozen=True)
class Film:
    """Clouds over time, and the cameras that saw them.

    Attributes:
        clouds: World-frame points in metres; with colour, red, green and blue in [0, 1] follow.
        cameras: By name.
        frames_per_second: How fast to play.
        pictures: Of cameras, by their names; a camera may have none.
        paths: A world-frame polyline for each frame, such as a plan, or None; or none at all.
        numbers: Curves by name; the last frame may have no number.
        box: The crop box, if it is drawn.
        depths_m: Depth images of cameras that stand still, in metres, 0 where nothing was hit.
        marks: Places by their names, e.g. the goal's, in world metres.
        lies_on: What the points lie on, if that is known.
    """

    clouds: Float[np.ndarray, "frame point 3"] | Float[np.ndarray, "frame point 6"]
    cameras: dict[str, Pinhole]
    frames_per_second: float
    pictures: dict[str, UInt8[np.ndarray, "frame height width 3"]] = field(default_factory=dict)
    paths: Sequence[Float[np.ndarray, "corner 3"] | None] = ()
    numbers: dict[str, Float[np.ndarray, " number"]] = field(default_factory=dict)
    box: Box | None = None
    depths_m: Mapping[str, Float[np.ndarray, "frame row column"]] = field(default_factory=dict)
    marks: Mapping[str, Float[np.ndarray, "frame 3"]] = field(default_factory=dict)
    lies_on: LiesOn | None = None

    @property
    def colours(self) -> UInt8[np.ndarray, "frame point 3"]:
        """The points' own colours, or where they have none, colours that show their height."""
        return colours_of(self.clouds, self.heights_m)

    @property
    def heights_m(self) -> tuple[float, float]:
        """The range of heights that colours show."""
        low, high = np.quantile(self.clouds[..., 2], [0.01, 0.99])
        return float(low), float(high)


@dataclass(frozen=True)
class Frame:
    """One frame: a cloud, what cameras saw, a polyline to draw or none, and marked places."""

    cloud: Float[np.ndarray, "point axis"]
    pictures: Mapping[str, UInt8[np.ndarray, "height width 3"]]
    path: Float[np.ndarray, "corner 3"] | None
    marks: Mapping[str, Float[np.ndarray, " 3"]] = field(default_factory=dict)


def colours_of(
    points: Float[np.ndarray, "*lead axis"], heights_m: tuple[float, float]
) -> UInt8[np.ndarray, "*lead 3"]:
    """Give points their own colours, or those that show height, between a low and a high one."""
    if points.shape[-1] == 6:
        return np.round(255 * points[..., 3:].clip(0, 1)).astype(np.uint8)
    low, high = heights_m
    share = (points[..., 2] - low) / max(high - low, 1e-6)
    return np.asarray(height_colours(share.clip(0, 1)))


def height_colours(shares: Float[np.ndarray, "*lead"]) -> UInt8[np.ndarray, "*lead 3"]:
    """Give the colours of heights between the lowest, 0, and the highest, 1."""
    return np.asarray(colormaps["viridis"](0.92 * shares, bytes=True)[..., :3])
