"""What a server of plans and its clients say to each other: maps of msgpack, arrays as bytes.

A request is `{"kind": "reset" | "observe" | "act", ...}` with the fields below; an array is
`{"dtype": "<f4", "shape": [84, 84], "data": bytes}`, row by row; what is of cameras is a map by
their names (`""` for the only one). Messages are checked as they are decoded: nothing in them can
make an object of another kind, or one much larger than the message.
"""

from collections.abc import Mapping
from math import prod
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Struct

from envs.config import ViewConfig
from perception.errors import InputError
from policy.planner.policy import Policy
from policy.rollouts.frames import Array, ByCamera, Frame

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


class Reset(Struct, tag_field="kind", tag="reset", forbid_unknown_fields=True):
    """Asks for a new episode; see `Actor.reset`."""

    seed: Annotated[int, Meta(ge=0, lt=2**32)] | None = None


class Observe(Struct, tag_field="kind", tag="observe", forbid_unknown_fields=True):
    """Brings a frame; see `policy.rollouts.frames.Frame`."""

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


class Act(Observe, tag_field="kind", tag="act", forbid_unknown_fields=True):
    """Brings a frame, and asks for a plan."""


Request = Reset | Act | Observe
_requests = msgspec.msgpack.Decoder(Request)


def read_request(message: bytes | str) -> Reset | Observe:
    """Decode what a client says.

    Raises:
        InputError: It is no request; what is wrong is named.
    """
    if isinstance(message, str):
        raise InputError("Messages are binary (msgpack), not text")
    try:
        request: Reset | Observe = _requests.decode(message)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InputError(f"This is no request: {error}") from error
    return request


def write_reply(said: Mapping[str, Any]) -> bytes:
    """Encode a map of numbers, texts and arrays."""
    sent = {key: _sent(value) for key, value in said.items()}
    return msgspec.msgpack.encode(sent)


def described(planner: Policy, view: ViewConfig) -> dict[str, Any]:
    """Say to a client what the planner needs, and gives."""
    plan, sizes = planner.config, planner.sizes
    return {
        "cameras": list(view.cameras),
        "colour": view.colour,
        "history": plan.history,
        "chunk": plan.chunk,
        "robot_state": sizes.robot_state,
        "actions": sizes.actions,
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
