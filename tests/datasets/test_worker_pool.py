"""Jobs on processes: in order, done again where a worker is killed, ended with the parent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from configs.stopping import StopRequest
from datasets.worker_pool import parallel_map
from perception.errors import InputError
from tests.helpers.commands import ROOT


def make_square() -> Callable[[int], int]:
    return lambda number: number * number


def make_fatal(marks: Path, times: int) -> Callable[[int], int]:
    """Kill the process at job 3, so many times."""

    def work(number: int) -> int:
        if number == 3 and len(list(marks.iterdir())) < times:
            (marks / f"{os.getpid()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    return work


def make_failing() -> Callable[[int], int]:
    def work(number: int) -> int:
        if number == 2:
            raise InputError("two is refused")
        return number

    return work


def make_slow() -> Callable[[float], int]:
    def work(seconds: float) -> int:
        time.sleep(seconds)
        return os.getpid()

    return work


def test_results_come_in_order() -> None:
    results = parallel_map(make_square, range(40), workers=2)
    assert list(results) == [number * number for number in range(40)]


def test_a_killed_worker_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    results = parallel_map(partial(make_fatal, tmp_path, 1), range(12), workers=2)
    assert list(results) == list(range(12))
    assert "signal SIGKILL; most likely the machine ran out of memory" in caplog.text


def test_workers_that_are_killed_again_and_again_are_one_line(tmp_path: Path) -> None:
    results = parallel_map(partial(make_fatal, tmp_path, 99), range(12), workers=1)
    with pytest.raises(InputError, match=r"ran out of memory.*fewer workers="):
        list(results)


def test_an_error_of_a_worker_is_raised_here() -> None:
    results = parallel_map(make_failing, range(12), workers=1)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(InputError, match="two is refused"):
        next(results)


def test_a_request_to_stop_gives_up_what_was_begun() -> None:
    stop = StopRequest()
    results = parallel_map(make_slow, [0.0, 60.0], workers=1, stop=stop)
    worker = next(results)
    stop.requested = True
    assert list(results) == []
    assert not Path(f"/proc/{worker}").exists()


def workers_of(parent: int) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) == parent and fields[0] != "Z":
            yield int(folder.name)


@pytest.mark.parametrize("wait_s", [0.0, 2.0])
def test_workers_end_with_their_parent(wait_s: float) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from datasets.worker_pool import parallel_map\n"
        "from tests.datasets.test_worker_pool import make_slow\n"
        "list(parallel_map(make_slow, [100.0] * 4, workers=2))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    workers: list[int] = []
    while len(workers) < 2:
        workers = list(workers_of(parent.pid))
        time.sleep(0.01)
    time.sleep(wait_s)
    parent.kill()
    _, errors = parent.communicate(timeout=5)  # Until all who hold its standard error ended.
    assert errors == ""
    assert not [worker for worker in workers if Path(f"/proc/{worker}/exe").exists()]
