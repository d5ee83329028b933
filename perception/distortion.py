"""The pictures of a real lens as an ideal camera would have taken them.

OpenCV's model of five coefficients (k1, k2, p1, p2, k3: Brown, 1966; `plumb_bob` in ROS). Each
pixel of the ideal picture takes the nearest one of the real picture: a mean of depths across an
edge would be a place where nothing is. A place is thus true to half a pixel of the real one.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from perception.camera import Pinhole
from perception.errors import InputError

LENSES_KEPT = 16
LEAST_TRUE = 0.5  # Share of a picture that its lens must describe.

Coefficients = tuple[float, float, float, float, float]
Slopes = tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]]


@dataclass(frozen=True)
class Undistortion:
    """Where each pixel of a camera's ideal picture lies in the real one.

    Attributes:
        source: Its row-major index there; -1 beyond the real picture.
    """

    source: Int[np.ndarray, "height width"]

    @classmethod
    def of(cls, camera: Pinhole, coefficients: Shaped[np.ndarray, "..."]) -> "Undistortion":
        """Look up a lens; the table of each lens is made once.

        Args:
            camera: The ideal one: the matrix K that was calibrated together with the lens.
            coefficients: Five numbers, or none or zeros of an ideal lens.

        Raises:
            InputError: These are not five finite numbers, or they fold most of the picture.
        """
        if coefficients.size != 5 or coefficients.dtype.kind not in "fiu":
            raise InputError(
                "A lens has OpenCV's five coefficients (k1, k2, p1, p2, k3), not"
                f" {coefficients.dtype} of {coefficients.shape}"
            )
        if not np.isfinite(coefficients).all():
            raise InputError(f"A lens has five finite coefficients, not {coefficients.tolist()}")
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
    ideal = (u - cx) / fx, (v - cy) / fy
    x, y = distort(*ideal, of)
    real_u, real_v = cx + fx * x, cy + fy * y
    true = _is_true(*ideal, of)
    if true.mean() < LEAST_TRUE:
        raise InputError(
            f"A lens of coefficients {list(of)} would fold its picture: give k1, k2, p1, p2, k3 in"
            " OpenCV's order, with the K that was calibrated together with them"
        )
    column, row = np.rint(real_u), np.rint(real_v)
    seen = true & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    source = np.full((height, width), -1)
    source[seen] = (row[seen] * width + column[seen]).astype(np.int64)
    return Undistortion(source)


def _is_true(
    x: Float[np.ndarray, "height width"], y: Float[np.ndarray, "height width"], of: Coefficients
) -> Bool[np.ndarray, "height width"]:
    """Tell where the polynomials can be those of a lens: nearer to the axis than their first fold.

    A fold is where the map's Jacobian is not positive. Wide pictures reach beyond it in their
    corners, where a calibration has seen nothing.
    """
    k1, k2, p1, p2, k3 = of
    r2 = x * x + y * y
    radial, slope = 1 + r2 * (k1 + r2 * (k2 + r2 * k3)), k1 + r2 * (2 * k2 + r2 * 3 * k3)
    across = 2 * (x * y * slope + p1 * x + p2 * y)
    x_by_x = radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x
    y_by_y = radial + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x
    unfolded = (x_by_x > 0) & (x_by_x * y_by_y > across * across)
    return np.asarray(r2 < r2[~unfolded].min(initial=np.inf))
