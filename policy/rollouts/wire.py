"""What a server of plans is asked, and says: see `datasets.cameras.wire` for how.

A request is `{"kind": "reset" | "observe" | "act", ...}`. Messages are checked as they are decoded.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from datasets.cameras.wire import Seen, describe_view, read
from envs.config import ViewConfig
from policy.planner.policy import Policy


class Reset(Struct, tag_field="kind", tag="reset", forbid_unknown_fields=True):
    """Asks for a new episode; see `Actor.reset`."""

    seed: Annotated[int, Meta(ge=0, lt=2**32)] | None = None


class Observe(Seen, tag_field="kind", tag="observe", forbid_unknown_fields=True):
    """Brings a frame."""


class Act(Seen, tag_field="kind", tag="act", forbid_unknown_fields=True):
    """Brings a frame, and asks for a plan."""


Request = Reset | Act | Observe
_requests: "msgspec.msgpack.Decoder[Request]" = msgspec.msgpack.Decoder(Request)


def read_request(message: bytes | str) -> Request:
    """Decode what a client says.

    Raises:
        InputError: It is no request; what is wrong is named.
    """
    return read(_requests, message)


def described(planner: Policy, view: ViewConfig) -> dict[str, Any]:
    """Say to a client what the planner needs, and gives."""
    plan, sizes = planner.config, planner.sizes
    return {
        **describe_view(view),
        "history": plan.history,
        "chunk": plan.chunk,
        "robot_state": sizes.robot_state,
        "actions": sizes.actions,
    }
