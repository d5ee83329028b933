"""What work takes: the processors' seconds count worker processes, alive or ended."""

import multiprocessing
import time
from multiprocessing.connection import Connection

from policy.runs.clock import Clock, Spent, processor_seconds

BUSY_S = 0.3


def _work(pipe: Connection) -> None:
    while time.process_time() < BUSY_S:
        pass
    pipe.send("done")
    pipe.recv()


def test_a_worker_counts_while_it_lives_and_when_it_has_ended() -> None:
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe()
    worker = context.Process(target=_work, args=(theirs,))
    clock = Clock(Spent(5.0, 7.0))
    worker.start()
    mine.recv()
    spent = [clock.spent]
    mine.send("end")
    worker.join()
    spent.append(clock.spent)
    for found in spent:
        assert found.processor_seconds is not None
        assert 7 + 0.9 * BUSY_S < found.processor_seconds < 7 + 3 * BUSY_S
        assert found.seconds > 5
    assert processor_seconds() > 0


def test_what_was_not_noted_stays_unknown() -> None:
    assert Spent.of({"seconds": 3.0}) == Spent(3.0, None)
    assert Clock(Spent(3.0, None)).spent.processor_seconds is None
