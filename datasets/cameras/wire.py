"""What robots and those who listen to them say to each other: maps of msgpack, arrays as bytes.

A request is `{"kind": ..., ...}` (which kinds there are, each listener says); an array is
`{"dtype": "<f4", "shape": [84, 84], "data": bytes}`, row by row; what is of cameras is a map by
their names (`""` for the only one). Messages are checked as they are decoded: nothing in them can
make an object of another kind, or one much larger than the message.
"""

from collections.abc import Mapping
from math import prod
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
from msgspec import Meta, Struct

from datasets.cameras.frames import Array, ByCamera, Frame
from envs.config import ViewConfig
from perception.errors import InputError

RequestT = TypeVar("RequestT")

DTYPES = ("|u1", "<u2", "<f2", "<f4", "<f8")  # Bytes, millimetres, and real numbers.
UNNAMED = ""


class Sent(Struct, forbid_unknown_fields=True):
    """An array on its way."""

    dtype: str
    shape: Annotated[list[Annotated[int, Meta(ge=0, le=2**31)]], Meta(max_length=3)]
    data: bytes

    def array(self) -> Array:
        """Give the array.

        Raises:
            InputError: Its bytes are not those of such an array.
        """
        if self.dtype not in DTYPES:
            raise InputError(f"An array's dtype is one of {', '.join(DTYPES)}, not {self.dtype!r}")
        kind = np.dtype(self.dtype)
        if prod(self.shape) * kind.itemsize != len(self.data):
            raise InputError(
                f"An array of {self.dtype} and shape {self.shape} has not {len(self.data)} bytes"
            )
        return np.frombuffer(self.data, kind).reshape(self.shape).copy()


Cameras = Annotated[dict[str, Sent], Meta(min_length=1, max_length=16)]


class Seen(Struct, forbid_unknown_fields=True):
    """The part of a request that brings a frame; see `datasets.cameras.frames.Frame`."""

    depth: Cameras
    intrinsics: Cameras
    world_from_camera: Cameras
    robot_state: Sent
    colour: Cameras | None = None
    distortion: Cameras | None = None
    stamp: float | None = None

    def frame(self) -> Frame:
        """Give the frame.

        Raises:
            InputError: An array is none.
        """
        return Frame(
            _arrays(self.depth),
            _arrays(self.intrinsics),
            _arrays(self.world_from_camera),
            self.robot_state.array(),
            None if self.colour is None else _arrays(self.colour),
            None if self.distortion is None else _arrays(self.distortion),
            self.stamp,
        )


def read(decoder: "msgspec.msgpack.Decoder[RequestT]", message: bytes | str) -> RequestT:
    """Decode what a robot says.

    Raises:
        InputError: It is no request; what is wrong is named.
    """
    if isinstance(message, str):
        raise InputError("Messages are binary (msgpack), not text")
    try:
        return decoder.decode(message)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InputError(f"This is no request: {error}") from error


def write_reply(said: Mapping[str, Any]) -> bytes:
    """Encode a map of numbers, texts and arrays."""
    sent = {key: _sent(value) for key, value in said.items()}
    return msgspec.msgpack.encode(sent)


def describe_view(view: ViewConfig) -> dict[str, Any]:
    """Say to a robot what cameras shall see."""
    return {
        "cameras": list(view.cameras),
        "colour": view.colour,
        "crop_low": list(view.crop_low),
        "crop_high": list(view.crop_high),
    }


def _arrays(sent: Mapping[str, Sent]) -> ByCamera:
    if set(sent) == {UNNAMED}:
        return sent[UNNAMED].array()
    return {name: one.array() for name, one in sent.items()}


def _sent(value: Any) -> Any:  # noqa: ANN401 (whatever msgpack knows)
    if not isinstance(value, np.ndarray):
        return value
    return Sent(value.dtype.str, list(value.shape), value.tobytes())
