"""What a process answers to what it is asked: a result, or an error to be raised by who asked."""

import copy
import traceback
from collections.abc import Callable
from typing import Any

Answer = tuple[Any, Exception | None, str]


class RemoteError(Exception):
    """What the traceback over there said; the cause of the error that is raised here."""


class EndedError(Exception):
    """A process, or the machine it ran on, ended before it answered; the text says why."""


class Answering:
    """Does jobs one after another.

    Args:
        make_work: Makes the function that does a job; called at the first job, so that what it
            raises is answered, too.
    """

    def __init__(self, make_work: Callable[[], Callable[[Any], Any]]) -> None:
        self._make_work = make_work
        self._work: Callable[[Any], Any] | None = None

    def do(self, job: Any) -> Answer:  # noqa: ANN401
        """Do a job; an error that cannot be made again over there goes as its text."""
        try:
            self._work = self._work or self._make_work()
            return self._work(job), None, ""
        except Exception as error:  # Raised again by who asked.
            told = traceback.format_exc()
            try:
                copy.copy(error)
            except TypeError:
                return None, RuntimeError(f"{type(error).__name__}: {error}"), told
            return None, error, told


def result_of(answer: Answer) -> Any:  # noqa: ANN401
    """Give the result that was answered, or raise the error."""
    result, error, told = answer
    if error is not None:
        raise error from RemoteError(told)
    return result
