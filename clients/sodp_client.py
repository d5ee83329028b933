"""Asks a planner's server for actions, or records episodes; one file, to be copied to the robot.

It needs Python 3.10 or newer and three packages: numpy, msgspec, websockets (15 or newer).

    from sodp_client import SodpClient

    with SodpClient("ws://127.0.0.1:8765") as planner:
        planner.reset()
        chunk = planner.act(
            depth=depth,  # uint16 millimetres, or floating point metres
            intrinsics=K,
            world_from_camera=pose,
            robot_state=state,
        )

    with SodpClient("ws://127.0.0.1:8766") as recorder:
        recorder.begin()
        for ...:  # the arguments of act() as a dictionary, and what is done then
            recorder.record(frame, action)
        recorder.end(success=True)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec
import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ByCamera = np.ndarray | Mapping[str, np.ndarray]  # One camera's, or by their names.


class SodpError(RuntimeError):
    """The server refused what it was sent; the text says why."""


class SodpClient:
    """A connection to a planner, or to a recorder; one episode at a time.

    Args:
        url: Where the server says it is.
        token: What its token_file holds, if it has one.
        timeout_s: How long to wait for an answer.

    Raises:
        OSError: Nobody listens there.
        websockets.exceptions.InvalidStatus: The token is not the server's.
        SodpError: The server has no place for another client.

    Attributes:
        info: What the planner needs (`cameras`, `colour`, `history`, `robot_state`, the crop box)
            and gives (`chunk`, `actions`); or what is recorded (`task`, `cameras`, `episodes`).
    """

    def __init__(
        self, url: str = "ws://127.0.0.1:8765", token: str | None = None, timeout_s: float = 10.0
    ) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._timeout_s = timeout_s
        self._connection = connect(
            url,
            additional_headers=headers,
            compression=None,
            proxy=None,
            open_timeout=timeout_s,
            close_timeout=1,
        )
        self.info = self._receive()

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode; the planner's noise follows from the seed."""
        self._ask({"kind": "reset", "seed": seed})

    def observe(
        self,
        *,
        depth: ByCamera,
        intrinsics: ByCamera,
        world_from_camera: ByCamera,
        robot_state: np.ndarray,
        colour: ByCamera | None = None,
        distortion: ByCamera | None = None,
        stamp: float | None = None,
    ) -> None:
        """Send a frame between two plans; the arguments are those of `act`.

        With `info["history"]` above 1 the planner looks back at consecutive frames: send the one
        after each action, the last one by `act`.

        Raises:
            SodpError: It cannot be right; what was seen before stays.
            TimeoutError: No answer came in time; the connection is closed.
        """
        frame = _frame(
            "observe",
            depth=depth,
            intrinsics=intrinsics,
            world_from_camera=world_from_camera,
            robot_state=robot_state,
            colour=colour,
            distortion=distortion,
            stamp=stamp,
        )
        self._ask(frame)

    def act(
        self,
        *,
        depth: ByCamera,
        intrinsics: ByCamera,
        world_from_camera: ByCamera,
        robot_state: np.ndarray,
        colour: ByCamera | None = None,
        distortion: ByCamera | None = None,
        stamp: float | None = None,
    ) -> np.ndarray:
        """Send a frame, and get the next actions. Of several cameras: arrays by their names.

        Args:
            depth: (height, width); uint16 is millimetres, floating point metres; 0: no hit.
            intrinsics: K, 3 x 3, in pixels.
            world_from_camera: 4 x 4: where the camera stands (metres), x right, y down, z ahead.
            robot_state: `info["robot_state"]` numbers, as in the training data.
            colour: (height, width, 3) of uint8, where the planner sees colour.
            distortion: OpenCV's k1, k2, p1, p2, k3, where pictures are not undistorted yet.
            stamp: When it was taken, in seconds of any clock.

        Returns:
            (chunk, action) of float32, in the units of the training data.

        Raises:
            SodpError: The frame cannot be right; what was seen before stays.
            TimeoutError: No answer came in time; the connection is closed.
        """
        frame = _frame(
            "act",
            depth=depth,
            intrinsics=intrinsics,
            world_from_camera=world_from_camera,
            robot_state=robot_state,
            colour=colour,
            distortion=distortion,
            stamp=stamp,
        )
        chunk = self._ask(frame)["chunk"]
        array = np.frombuffer(chunk["data"], chunk["dtype"]).reshape(chunk["shape"])
        return array.copy()

    def begin(self) -> None:
        """Begin to record an episode; one that was not ended is dropped."""
        self._ask({"kind": "begin"})

    def record(
        self,
        frame: Mapping[str, Any],
        action: np.ndarray,
        *,
        reward: float | None = None,
        success: bool | None = None,
    ) -> None:
        """Send a step.

        Args:
            frame: What is seen: the arguments of `act` by their names.
            action: What is done then.
            reward: Of the step; given at every step, or at none.
            success: Whether the goal is reached at this step; as reward.

        Raises:
            SodpError: The step cannot be right, and is not in the episode.
            TimeoutError: No answer came in time; the connection is closed.
        """
        done = {
            "action": _array(action),
            "reward": None if reward is None else float(reward),
            "success": None if success is None else bool(success),
        }
        self._ask({**_frame("step", **frame), **done})

    def end(self, success: bool | None = None) -> int:
        """Keep the episode; its number comes back once it is on the disk.

        Args:
            success: Whether it succeeded, where steps do not say it.
        """
        said = None if success is None else bool(success)
        return int(self._ask({"kind": "end", "success": said})["episode"])

    def close(self) -> None:
        """Let the server go."""
        self._connection.close()

    def __enter__(self) -> SodpClient:
        """Give the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let the server go."""
        self.close()

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            self._connection.send(msgspec.msgpack.encode(request))
        except ConnectionClosed as error:
            raise SodpError(f"the server has closed the connection: {error}") from error
        return self._receive()

    def _receive(self) -> dict[str, Any]:
        try:
            message = self._connection.recv(timeout=self._timeout_s)
        except TimeoutError:
            self.close()  # The answer to this would be taken for that to the next.
            raise
        except ConnectionClosed as error:
            raise SodpError(f"the server has closed the connection: {error}") from error
        reply = cast("dict[str, Any]", msgspec.msgpack.decode(cast("bytes", message)))
        if "error" in reply:
            raise SodpError(reply["error"])
        return reply


def _frame(
    kind: str, *, robot_state: np.ndarray, stamp: float | None = None, **cameras: ByCamera | None
) -> dict[str, Any]:
    """Lay out a frame as the server reads it, which says what is missing or unknown."""
    given = {name: _by_camera(part) for name, part in cameras.items() if part is not None}
    seconds = None if stamp is None else float(stamp)
    return {"kind": kind, "robot_state": _array(robot_state), "stamp": seconds, **given}


def _by_camera(part: ByCamera) -> dict[str, Any]:
    named = part if isinstance(part, Mapping) else {"": part}
    return {name: _array(one) for name, one in named.items()}


def _array(values: np.ndarray) -> dict[str, Any]:
    array = np.asarray(values)
    if array.dtype.kind in "iu" and array.dtype not in (np.uint8, np.uint16):
        array = array.astype(np.float64)  # Lists of whole numbers, such as a K.
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return {"dtype": array.dtype.str, "shape": list(array.shape), "data": array.tobytes()}
