"""A request to stop is remembered once; the second ends the process."""

import signal
import subprocess
import sys

from configs.stopping import stop_request

TWICE = """
import os, signal, time
from configs.stopping import stop_request
with stop_request():
    os.kill(os.getpid(), signal.SIGINT)
    print("goes on", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
"""


def test_the_first_request_is_remembered_and_the_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stop_request() as request:
        assert not request.requested
        signal.raise_signal(signal.SIGINT)
        assert request.requested
    assert signal.getsignal(signal.SIGINT) is before


def test_the_second_request_ends_the_process_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TWICE], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == "goes on\n"
    assert done.returncode == -signal.SIGINT
