"""How a long command stops when it is asked to: it saves, says where it is, and goes on later."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StoppedError(Exception):
    """A command was asked to stop and has saved; its text says where, the exit code is 130."""


class StopRequest:
    """Whether somebody asked this process to stop."""

    def __init__(self) -> None:
        self.requested = False

    def note(self, number: int, _frame: FrameType | None) -> None:
        """Remember the first request; from the second on, the signal ends the process at once."""
        self.requested = True
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)


@contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Take Ctrl-C (and SIGTERM) as a request while the block runs, once; ask it between steps.

    Only for the main thread. The block ends by raising `StoppedError` after it has saved.
    """
    request = StopRequest()
    before = {number: signal.signal(number, request.note) for number in SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
