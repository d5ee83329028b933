"""Lenses as sensor_msgs/CameraInfo describes them.

A topic of rectified images (`image_rect`, `image_rect_raw`) is seen through P, without distortion;
another one through K and the distortion D (plumb_bob: OpenCV's k1, k2, p1, p2, k3).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from perception.errors import InputError


@dataclass(frozen=True)
class Lens:
    """How a camera sees.

    Attributes:
        size: (Width, height) in pixels.
        intrinsics: K, 3 x 3, by rows.
        distortion: OpenCV's k1, k2, p1, p2, k3.
    """

    size: tuple[int, int]
    intrinsics: tuple[float, ...]
    distortion: tuple[float, ...]

    @property
    def matrix(self) -> Float[np.ndarray, "3 3"]:
        """K as an array."""
        return np.array(self.intrinsics).reshape(3, 3)


def read_lens(body: Any, *, is_rectified: bool) -> Lens:  # noqa: ANN401
    """Read what a message says.

    Args:
        body: A CameraInfo.
        is_rectified: Whether the images are undistorted already.

    Raises:
        InputError: It is not calibrated, or in a way that is not read.
    """
    size = (int(body.width), int(body.height))
    k, p = (np.array(values, np.float64) for values in (body.k, body.p))
    if is_rectified and p.any():
        p = p.reshape(3, 4)
        if p[:, 3].any():
            raise InputError("P is of the second camera of a pair: take the depth of the first")
        return Lens(size, tuple(p[:, :3].ravel().tolist()), (0.0,) * 5)
    turn = np.array(body.r, np.float64).reshape(3, 3)
    if not k.any():
        raise InputError("K is all zeros: the camera is not calibrated")
    if turn.any() and not np.allclose(turn, np.eye(3), atol=1e-3):
        raise InputError("its images are to be rectified by R: record the rectified ones")
    distortion = (0.0,) * 5 if is_rectified else _distortion(body)
    return Lens(size, tuple(k.tolist()), distortion)


def _distortion(body: Any) -> tuple[float, ...]:  # noqa: ANN401
    said = [float(number) for number in body.d]
    if not any(said):
        return (0.0,) * 5
    if body.distortion_model != "plumb_bob" or len(said) > 5:
        raise InputError(
            f"distortion {body.distortion_model!r} of {len(said)} numbers is not read (plumb_bob of"
            " 5 is): record rectified images"
        )
    return tuple(said + [0.0] * (5 - len(said)))
