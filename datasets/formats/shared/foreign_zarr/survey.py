"""Other people's Zarr looked through before anything is written: numbers, clouds and pictures.

What is wrong with one step far behind is said before the first episode is written, and colours are
decided from all of them.
"""

import logging
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from datasets.formats.shared.colours import Spread
from datasets.formats.shared.foreign_zarr.arrays import ForeignArray
from datasets.formats.shared.pictures import PictureRule, depth_images, picture_rule
from perception.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class CloudFacts:
    """What all clouds of a dataset together tell.

    Attributes:
        full_colour: 1 or 255.
        farthest: The largest coordinate.
    """

    full_colour: float
    farthest: float


def check_ends(array: ForeignArray, steps: int) -> Int[np.ndarray, " episode"]:
    """Read where episodes end, exclusive.

    Args:
        array: The ends.
        steps: How many steps there are: no more episodes than these.

    Raises:
        InputError: They are no ascending whole numbers.
    """
    if len(array.shape) != 1 or array.array.dtype.kind not in "iu":
        raise InputError(
            f"{array.where} is {array.shape} of {array.array.dtype}: it must be (episode,) of whole"
            " numbers, the step behind each episode's last; write it so"
        )
    if array.shape[0] == 0:
        raise InputError(f"{array.where} is empty: there is no whole episode to convert")
    if array.shape[0] > steps:
        raise InputError(
            f"{array.where} names {array.shape[0]} episodes, but there are {steps} steps"
        )
    ends = array.read(0, array.shape[0]).astype(np.int64)
    if (bad := np.diff(ends, prepend=0) <= 0).any():
        episode = int(np.argmax(bad))
        before = int(ends[episode - 1]) if episode else 0
        raise InputError(
            f"{array.where} does not ascend: episode {episode} ends at {ends[episode]}, and begins"
            f" at {before}; write the cumulative ends of the episodes, each with a step at least"
        )
    return ends


def check_table(array: ForeignArray) -> None:
    """Refuse what is no row of numbers for each step.

    Raises:
        InputError: The array is not (step, number), with a number at least.
    """
    shape = array.shape
    if len(shape) == 2 and shape[1] > 0:
        return
    remedy = "without one there is nothing to learn"
    if shape and np.prod(shape[1:]) > 0:
        remedy = f"reshape it to ({shape[0]}, {int(np.prod(shape[1:]))})"
    raise InputError(f"{array.where} is {shape}: it must be (step, number): {remedy}")


def check_finite(array: ForeignArray, steps: int) -> None:
    """Look through an array of numbers.

    Raises:
        InputError: One is not-a-number or infinite, as float32.
    """
    for start, block in array.blocks(steps):
        _require_finite(array, start, block)


def survey_clouds(array: ForeignArray, steps: int, *, colour: bool) -> CloudFacts:
    """Look through all clouds.

    Args:
        array: (step, point, 3 or 6).
        steps: How many of its steps.
        colour: Whether their colours are converted, and so looked at.

    Raises:
        InputError: A number is not finite, a cloud is empty, or colours have no known scale.
    """
    spread, farthest = Spread(), 0.0
    for start, block in array.blocks(steps):
        kept = block if colour else block[..., :3]
        _require_finite(array, start, kept)
        real = (block != 0).any(axis=(1, 2))
        if not real.all():
            place = array.place(start + int(np.argmin(real)))
            raise InputError(f"{place}: the cloud is all zeros; leave that episode out")
        farthest = max(farthest, float(np.abs(block[..., :3]).max()))
        spread.add(kept[..., 3:])
    if not spread.seen:
        return CloudFacts(1.0, farthest)
    full = spread.full(array.where)
    logger.info("%s: %s", array.where, spread.told(full))
    return CloudFacts(full, farthest)


def survey_pictures(array: ForeignArray, steps: int) -> PictureRule:
    """Decide how pictures become (height, width, 3) of bytes; every chunk is read.

    Raises:
        InputError: They are no pictures.
    """
    blocks = (block for _, block in array.blocks(steps))
    rule = picture_rule(array.shape, array.array.dtype, blocks, array.where)
    for _ in blocks:  # What the rule did not need to see may be damaged all the same.
        pass
    if rule.changes:
        logger.info("%s: made bytes of (height, width, 3) from %s", array.where, rule)
    return rule


def survey_depths(array: ForeignArray, steps: int) -> None:
    """Look through depth images; where nothing was measured, a camera may say NaN.

    Raises:
        InputError: They are no images of one channel.
    """
    for _, block in array.blocks(steps):
        depth_images(block, array.where)


def _require_finite(array: ForeignArray, start: int, block: np.ndarray) -> None:
    with np.errstate(over="ignore"):
        finite = np.isfinite(block.astype(np.float32)).reshape(len(block), -1)
    if finite.all():
        return
    row = int(np.argmin(finite.all(axis=1)))
    count = int((~finite[row]).sum())
    raise InputError(
        f"{array.place(start + row)} holds NaN or infinity ({count} of {finite.shape[1]} numbers):"
        " mend that step, or leave that episode out"
    )
