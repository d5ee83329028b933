"""Check shapes and types in some calls of each function: in all of them takes half of all time.

In each test a function's first calls are checked, and then one of so many: a loop's body where it
begins, and what changes on the way. Nothing is prepared for a function that is not called.
"""

import dataclasses
import functools
import inspect
from collections import Counter
from collections.abc import Callable
from types import CodeType
from typing import Any

import jaxtyping

FIRST, ONE_OF = 16, 17  # Seldom a divisor of how often loops run.
calls: Counter[CodeType] = Counter()  # In this test; a function within another counts as one.

Decorator = Callable[[Any], Any]


def some_calls(fn: Any, check: Decorator) -> Any:  # noqa: ANN401
    """Check some calls of a function, or how some instances of a dataclass are made.

    Args:
        fn: The function, before any other decorator, or the class.
        check: Makes a function that checks each call.
    """
    if not inspect.isclass(fn):
        return _some_calls(fn, check)
    if dataclasses.is_dataclass(fn) and "__init__" in vars(fn):
        fn.__init__ = _some_calls(fn.__init__, check)  # type: ignore[method-assign]
    return fn


def _some_calls(fn: Any, check: Decorator) -> Any:  # noqa: ANN401
    code, checked = fn.__code__, None

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        nonlocal checked
        calls[code] += 1
        if calls[code] > FIRST and calls[code] % ONE_OF:
            return fn(*args, **kwargs)
        checked = checked or check(fn)
        return checked(*args, **kwargs)

    return call


def check_some_calls() -> None:
    """Let jaxtyping's import hook, installed later, check some calls in place of all."""
    every_call = jaxtyping.jaxtyped

    def jaxtyped(*, typechecker: Any) -> Decorator:  # noqa: ANN401
        return lambda fn: some_calls(fn, every_call(typechecker=typechecker))

    jaxtyping.jaxtyped = jaxtyped  # type: ignore[assignment]
