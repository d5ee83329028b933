"""What is watched of learning, and when it has gone wrong beyond what a further step can mend.

On the CPU it is seen at once. A GPU would have to be waited for at every step: there it is seen
when the numbers of an update are read, all together, before anything is saved.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, isfinite

Watched = Mapping[str, Tensor]
"""By name what is watched of one gradient step: single numbers, on its device."""


class DivergedError(Exception):
    """A loss, ratio or gradient that no further step can mend."""


def finite(loss: Tensor, name: str) -> Tensor:
    """Give a loss to watch.

    Raises:
        DivergedError: It is not finite; on the CPU only, see `means`.
    """
    if loss.device.type == "cpu" and not isfinite(loss):
        raise DivergedError(f"{name} is {loss.item()}")
    return loss.detach()


def read(watched: Iterable[Watched]) -> list[dict[str, float]]:
    """Read what was watched of many steps as numbers; a device is waited for once."""
    steps = list(watched)
    tensors = [value.detach() for values in steps for value in values.values()]
    numbers = iter(torch.stack(tensors).tolist() if tensors else [])
    return [{name: next(numbers) for name in values} for values in steps]


def means(watched: Iterable[Watched]) -> dict[str, float]:
    """Average each value over the steps that gave it.

    Raises:
        DivergedError: One is not finite, and was not seen at once.
    """
    steps, by_name = list(watched), dict[str, list[float]]()
    for values in read(steps):
        for name, value in values.items():
            by_name.setdefault(name, []).append(value)
    if any(value.device.type != "cpu" for values in steps for value in values.values()):
        _check(by_name)
    return {name: sum(values) / len(values) for name, values in by_name.items()}


def _check(by_name: Mapping[str, list[float]]) -> None:
    for name, values in by_name.items():
        broken = [value for value in values if not abs(value) < float("inf")]
        if broken:
            raise DivergedError(f"{name} is {broken[0]}")
