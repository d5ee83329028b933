"""Pictures that others recorded become (step, height, width, 3) of 0 to 255, by one rule.

The rule is decided once, from the type and the spread of the whole array: a floating picture of 0
to 1 that were cast to bytes would be black, and one that were passed on as bytes would be noise.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from datasets.formats.shared.colours import Spread
from perception.errors import InputError

CHANNELS = (1, 3, 4)  # Grey, colour, colour and opacity.


@dataclass(frozen=True)
class PictureRule:
    """How recorded pictures become ours.

    Attributes:
        layout: `HWC`, `CHW`, or `HW` (grey without an axis of its own).
        full: The number that is full colour: 1, 255 or 65535.
        channels: 1, 3 or 4.
        dtype: Their type, as recorded.
    """

    layout: str
    full: float
    channels: int
    dtype: str

    def convert(self, pictures: np.ndarray) -> UInt8[np.ndarray, "time height width 3"]:
        """Give pictures as bytes; what overshoots is clipped, opacity is left out.

        Args:
            pictures: In the layout and of the type as recorded.
        """
        if self.layout == "HW":
            pictures = pictures[..., None]
        elif self.layout == "CHW":
            pictures = np.moveaxis(pictures, 1, -1)
        pictures = pictures[..., :3]
        if self.dtype != "uint8":
            scaled = pictures.astype(np.float64) * (255 / self.full)
            pictures = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
        size = (*pictures.shape[:-1], 3)
        return np.ascontiguousarray(np.broadcast_to(pictures, size))

    @property
    def changes(self) -> bool:
        """Whether pictures are not (height, width, 3) bytes as they are."""
        return (self.layout, self.channels, self.dtype) != ("HWC", 3, "uint8")

    def __str__(self) -> str:
        return (
            f"{self.dtype}, {self.layout}, {self.channels} channels, {self.full:g} is full colour"
        )


def picture_rule(
    shape: tuple[int, ...], dtype: np.dtype, blocks: Iterable[np.ndarray], where: str
) -> PictureRule:
    """Decide how recorded pictures become ours.

    Args:
        shape: Of the whole array.
        dtype: Its type.
        blocks: All of it, in pieces; not read where the type says all (bool, uint8).
        where: Which array, for errors.

    Raises:
        InputError: They are no pictures, or neither 0 to 1, 0 to 255 nor 16 bits.
    """
    layout, channels = _layout(shape, where)
    if dtype in (np.uint8, np.bool_):
        return PictureRule(layout, 255.0 if dtype == np.uint8 else 1.0, channels, str(dtype))
    spread = Spread()
    for block in blocks:
        if not np.isfinite(block).all():
            raise InputError(f"{where} holds NaN or infinity: mend those pictures")
        spread.add(block)
    full = spread.full(where) if dtype.kind == "f" else _full_of_whole(spread, where)
    return PictureRule(layout, full, channels, str(dtype))


def depth_images(depths: np.ndarray, where: str) -> Float[np.ndarray, "time height width"]:
    """Give depth images without an axis for their one channel; their unit stays as it is.

    Raises:
        InputError: They are no images of one channel.
    """
    shape = depths.shape
    if len(shape) == 4 and 1 in (shape[1], shape[3]):
        depths = depths.squeeze(3 if shape[3] == 1 else 1)
    if depths.ndim != 3 or min(depths.shape[1:]) == 0:
        raise InputError(f"{where} is {shape}: depth is (step, height, width); reshape it")
    return depths.astype(np.float32)


def _layout(shape: tuple[int, ...], where: str) -> tuple[str, int]:
    if len(shape) == 3 and min(shape[1:]) > 0:
        return "HW", 1
    if len(shape) == 4 and min(shape[1:]) > 0:
        if shape[3] in CHANNELS:
            return "HWC", shape[3]
        if shape[1] in CHANNELS:
            return "CHW", shape[1]
    raise InputError(
        f"{where} is {shape}: pictures are (step, height, width, channel), (step, channel, height,"
        " width) or (step, height, width), of 1, 3 or 4 channels; reshape it, or convert without it"
    )


def _full_of_whole(spread: Spread, where: str) -> float:
    """Tell which whole number is full colour: 255, or 65535 where any is above 255."""
    full = 255.0 if spread.high <= 255 else 65535.0
    if spread.low >= 0 and spread.high <= full:
        return full
    raise InputError(
        f"{where} runs from {spread.low:g} to {spread.high:g}: whole numbers of a picture are 0 to"
        " 255, or 0 to 65535; scale them, or convert without them"
    )
