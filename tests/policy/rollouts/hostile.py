"""Messages that a server of plans must answer in words, and what these must say."""

from typing import Any

import msgspec
import numpy as np

pack = msgspec.msgpack.encode


def sent(values: np.ndarray, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    whole = {"dtype": values.dtype.str, "shape": list(values.shape), "data": values.tobytes()}
    return {**whole, **changes}


def request(**changes: Any) -> bytes:  # noqa: ANN401
    values = {
        "kind": "act",
        "depth": {"": sent(np.ones((4, 4), np.float32))},
        "intrinsics": {"": sent(np.eye(3))},
        "world_from_camera": {"": sent(np.eye(4))},
        "robot_state": sent(np.zeros(24)),
    }
    return pack({**values, **changes})


LENS = np.array([[9.0, 0, 1.5], [0, 9.0, 1.5], [0, 0, 1.0]])
HOSTILE: list[tuple[bytes | str, str]] = [
    ("act", "binary (msgpack), not text"),
    (b"", "This is no request"),
    (b"hello", "This is no request"),
    (b"\xc1", "This is no request"),
    (b"\xdd\xff\xff\xff\xff", "This is no request"),  # Says it has four thousand million parts.
    (b"\xdf\xff\xff\xff\xff", "This is no request"),
    (b"\x91" * 100_000, "This is no request"),  # Nested as deep.
    (b"\x80" * 900_000, "This is no request"),
    (pack({"kind": "shutdown"}), "Invalid value 'shutdown'"),
    (pack({"kind": "reset", "seed": -1}), "seed"),
    (pack({"kind": "reset", "seed": 2**40}), "seed"),
    (pack({"kind": "reset", "sed": 1}), "unknown field `sed`"),
    (request(depth=3), "Expected `object`, got `int` - at `$.depth`"),
    (request(depth={}), "length >= 1"),
    (request(depth={"": sent(np.ones(3), dtype="|O")}), "dtype is one of"),
    (request(depth={"": sent(np.ones(3), dtype="|O8")}), "dtype is one of"),
    (request(depth={"": sent(np.ones(3), shape=[2**31, 2**31])}), "has not 24 bytes"),
    (request(depth={"": sent(np.ones(3), shape=[-3])}), "Expected `int` >= 0"),
    (request(depth={"": sent(np.ones(3), shape=[1] * 9)}), "length <= 3"),
    (request(depth={"": sent(np.ones(0), shape=[0, 0])}), "pixels, not (0, 0)"),
    (request(stamp="now"), "$.stamp"),
    (request(stamp=float("nan")), "finite number of seconds"),
    (request(robot_state=sent(np.full(24, np.nan))), "robot_state[0] is nan"),
    (request(), "The picture is 4 x 4, and K has its middle at (0.0, 0.0)"),
    (request(intrinsics={"": sent(LENS)}), "16 of 16 seen points lie in the crop box"),
]
