"""What is recorded, and what a robot may ask of whoever records.

A request is `{"kind": "begin" | "step" | "end", ...}` with the fields below; see
`datasets.cameras.wire` for how they are written.
"""

from dataclasses import dataclass

import msgspec
from msgspec import Struct

from datasets.cameras.frames import Limits
from datasets.cameras.wire import Seen, Sent, read
from envs.config import ViewConfig


@dataclass(frozen=True)
class Wanted:
    """What is recorded.

    Attributes:
        view: How clouds are made.
        images: What is kept beside them.
        limits: What is still taken for a sound frame.
        steps: Of an episode at most.
        episodes: That the store shall hold; None: as many as come.
    """

    view: ViewConfig
    images: tuple[str, ...]
    limits: Limits
    steps: int
    episodes: int | None


class Begin(Struct, tag_field="kind", tag="begin", forbid_unknown_fields=True):
    """Begins an episode; one that was not ended is dropped."""


class Took(Seen, tag_field="kind", tag="step", forbid_unknown_fields=True, kw_only=True):
    """Brings a step: a frame, and what is done next."""

    action: Sent
    reward: float | None = None
    success: bool | None = None


class End(Struct, tag_field="kind", tag="end", forbid_unknown_fields=True):
    """Ends the episode, which is then kept; see `Draft.finish`."""

    success: bool | None = None


Request = Begin | Took | End
_requests: "msgspec.msgpack.Decoder[Request]" = msgspec.msgpack.Decoder(Request)


def read_request(message: bytes | str) -> Request:
    """Decode what a robot says.

    Raises:
        InputError: It is no request; what is wrong is named.
    """
    return read(_requests, message)
