"""Clouds that others recorded become as ours are: no zeros for missing points, colours 0 to 1."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float, Num

from datasets.formats.shared.colours import TOLERANCE, Spread
from perception.errors import InputError
from perception.sampling import farthest_points

Clouds = Num[np.ndarray, "time point channel"]


def check_shape(shape: tuple[int, ...], colour: bool | None, where: str) -> None:
    """Refuse what is no sequence of clouds.

    Raises:
        InputError: The array is not (step, point, 3 or 6), or colour is wanted and missing.
    """
    if len(shape) != 3 or shape[2] not in (3, 6) or shape[1] == 0:
        raise InputError(f"{where} must be (step, point, 3 or 6), not {shape}")
    if colour and shape[2] == 3:
        raise InputError(f"{where} has no colours; leave colour=true out")


def colour_scale(blocks: Iterable[np.ndarray], where: str = "the clouds") -> float:
    """Tell whether colours run to 255 or to 1, from all of them.

    Args:
        blocks: Pieces of the data, all of it; clouds without colours say nothing.
        where: Whose they are, for the error.

    Raises:
        InputError: They are neither 0 to 1 nor 0 to 255.
    """
    spread = Spread()
    for block in blocks:
        spread.add(block[..., 3:])
    return spread.full(where) if spread.seen else 1.0


def cleaned(
    clouds: Clouds, *, count: int | None, colour: bool | None, scale: float, where: str
) -> Float[np.ndarray, "time count kept"]:
    """Make recorded clouds ours.

    Args:
        clouds: As recorded; a row of nothing but zeros is padding.
        count: Points wanted; None keeps their number.
        colour: False drops colours, None keeps what there is.
        scale: What full colour is: 1 or 255.
        where: Which episode, for errors.

    Returns:
        Every cloud with exactly `count` real points (sampled where there are more, repeated where
        there are fewer), float32.

    Raises:
        InputError: A cloud is empty, or colours are out of range.
    """
    clouds, count = np.asarray(clouds, np.float32), count or clouds.shape[1]
    real: Bool[np.ndarray, "time point"] = (clouds != 0).any(axis=-1)
    if not (filled := real.any(axis=1)).all():
        raise InputError(f"{where}: the cloud of step {int(np.argmin(filled))} is all zeros")
    if not real.all() or count != clouds.shape[1]:
        pairs = zip(clouds, real, strict=True)
        clouds = np.stack([_exactly(cloud[kept], count) for cloud, kept in pairs])
    if clouds.shape[2] == 3 or colour is False:
        return clouds[..., :3]
    colours = clouds[..., 3:] / np.float32(scale)
    if colours.min() < -TOLERANCE or colours.max() > 1 + TOLERANCE:
        raise InputError(f"{where}: colours run from {clouds[..., 3:].min()} to {scale} and beyond")
    colours = np.clip(colours, 0, 1)  # What overshoots by so little is resampling's.
    return np.concatenate([clouds[..., :3], colours], axis=-1)


def _exactly(
    points: Float[np.ndarray, "point channel"], count: int
) -> Float[np.ndarray, "count channel"]:
    """Sample or repeat points, as `perception.point_cloud.fuse` does."""
    if len(points) <= count:
        return points[np.sort(np.resize(np.arange(len(points)), count))]
    return np.asarray(points[farthest_points(points, count)])
