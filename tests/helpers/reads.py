"""Counting what makes a program wait for its device, without one: by what Torch dispatches."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

# Their results, or the sizes of them, are numbers that Python or the next launch needs.
WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "equal")


class Reads(TorchDispatchMode):
    """Counts operations that read what was computed, by name."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        name = func._schema.name.partition("::")[2]
        if name in WAITING:
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))
