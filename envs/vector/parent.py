"""What a child process owes to the process that started it: to end with it, and to let it stop."""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker

PR_SET_PDEATHSIG = 1  # Of Linux' prctl: the signal to get when the parent's thread ends.


def end_with_parent(of_main_thread: bool) -> None:
    """End this child process as soon as its parent ends, however that happens.

    Args:
        of_main_thread: Whether the parent's main thread started it. Linux then ends it at once,
            also while it computes and no thread of its own gets a turn.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        end_after(parent.join, by_kernel=of_main_thread)


def end_after(orphaned: Callable[[], object], *, by_kernel: bool) -> None:
    """End this process once a wait for its parent's end is over.

    Args:
        orphaned: Waits until the parent has ended.
        by_kernel: Have Linux end it as well, with the thread of the parent that started it.
    """
    if by_kernel and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        orphaned()
        os._exit(1)  # At once and silently: nobody is left to read a message.

    threading.Thread(target=watch, daemon=True).start()


def until_orphaned(parent: int) -> None:
    """Wait until the parent of that process id has ended."""
    while os.getppid() == parent:
        time.sleep(0.3)


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Let processes started in the block never hear Ctrl-C: a terminal sends it to all of a group.

    A child keeps the signal blocked from its first moment on; here it is heard after the block.
    """
    resource_tracker.ensure_running()  # Started in the block, it would unblock the signal again.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
