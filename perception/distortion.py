"""The pictures of a real lens as an ideal camera would have taken them.

OpenCV's model of five coefficients (k1, k2, p1, p2, k3: Brown, 1966; `plumb_bob` in ROS). Each
pixel of the ideal picture takes the nearest one of the real picture: a mean of depths across an
edge would be a place where nothing is. A place is thus true to half a pixel of the real one.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int, Shaped

from perception.camera import Pinhole
from perception.errors import InputError

LENSES_KEPT = 16

Coefficients = tuple[float, float, float, float, float]
Slopes = tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]


@dataclass(frozen=True)
class Undistortion:
    """Where each pixel of a camera's ideal picture lies in the real one.

    Attributes:
        source: Its row-major index there; -1 where the real picture ends.
    """

    source: Int[np.ndarray, "height width"]

    @classmethod
    def of(cls, camera: Pinhole, coefficients: Shaped[np.ndarray, "..."]) -> "Undistortion":
        """Look up a lens; the table of each lens is made once.

        Args:
            camera: The ideal one: the matrix K that was calibrated together with the lens.
            coefficients: Five numbers, or none or zeros of an ideal lens.

        Raises:
            InputError: These are not five finite numbers, or the lens would fold its picture.
        """
        if coefficients.size != 5 or coefficients.dtype.kind not in "fiu":
            raise InputError(
                "A lens has OpenCV's five coefficients (k1, k2, p1, p2, k3), not"
                f" {coefficients.dtype} of {coefficients.shape}"
            )
        k1, k2, p1, p2, k3 = coefficients.astype(np.float64).ravel().tolist()
        return _made((camera.width, camera.height), camera.lens, (k1, k2, p1, p2, k3))

    def apply(
        self, picture: Shaped[np.ndarray, "height width *channel"]
    ) -> Shaped[np.ndarray, "height width *channel"]:
        """Take a picture's pixels to where an ideal camera sees them; 0 where it has none."""
        flat = picture.reshape(-1, *picture.shape[2:])
        taken = flat[self.source]  # -1 takes the last, which is blackened at once.
        taken[self.source < 0] = 0
        return np.asarray(taken)


def distort(x: Float[np.ndarray, "..."], y: Float[np.ndarray, "..."], of: Coefficients) -> Slopes:
    """Give where a lens sees rays of slopes x and y (metres aside for each metre ahead)."""
    k1, k2, p1, p2, k3 = of
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
        y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
    )


@lru_cache(maxsize=LENSES_KEPT)  # Who shows pictures from afar may bring any number of them.
def _made(
    size: tuple[int, int], lens: tuple[float, float, float, float], of: Coefficients
) -> Undistortion:
    """Make the table of a lens."""
    (width, height), (fx, fy, cx, cy) = size, lens
    u, v = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    x, y = distort((u - cx) / fx, (v - cy) / fy, of)
    real_u, real_v = cx + fx * x, cy + fy * y
    if not _is_unfolded(real_u, real_v):
        raise InputError(
            f"A lens of coefficients {list(of)} would fold its picture: give k1, k2, p1, p2, k3 in"
            " OpenCV's order, with the K that was calibrated together with them"
        )
    column, row = np.rint(real_u), np.rint(real_v)
    seen = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    source = np.full((height, width), -1)
    source[seen] = (row[seen] * width + column[seen]).astype(np.int64)
    return Undistortion(source)


def _is_unfolded(
    u: Float[np.ndarray, "height width"], v: Float[np.ndarray, "height width"]
) -> bool:
    """Tell whether each pixel's neighbours stay to the right of it and below it."""
    if not (np.isfinite(u).all() and np.isfinite(v).all()):
        return False
    across = np.diff(u, axis=1)[:-1] * np.diff(v, axis=0)[:, :-1]
    along = np.diff(v, axis=1)[:-1] * np.diff(u, axis=0)[:, :-1]
    return bool((across > along).all())
