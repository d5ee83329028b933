"""How robomimic's demonstrations say what they came to: success, and where an episode ended.

robomimic itself has no place for success: its `dones` mark a success, the end of a demonstration,
or both (`done_mode` of dataset_states_to_obs.py), and its critics (IQL, TD3-BC, CQL) see no value
beyond a `done`. Here success is an array `success` (step,) and an attribute of that name of each
demonstration, as Isaac Lab writes it; `dones` are true terminals, and an attribute of `data` of
that name says so.
"""

import logging
from typing import Any

import numpy as np
from jaxtyping import Bool

from datasets.formats.shared.hdf5 import place, rows
from datasets.store.store import EpisodeStore
from perception.errors import InputError

logger = logging.getLogger(__name__)

SUCCESS, DONES = "success", "dones"
TERMINALS, UNKNOWN = "terminals", "unknown"  # What the attribute `dones` says they are.


def told_successes(file: str, data: Any, demos: list[str]) -> str:  # noqa: ANN401
    """Say where success is told; warn where it is nowhere.

    Raises:
        InputError: Some demonstrations tell it and others do not.
    """
    if SUCCESS in data[demos[0]]:
        return "as recorded, at every step"
    marked = [name for name in demos if SUCCESS in data[name].attrs]
    if marked and len(marked) < len(demos):
        other = next(name for name in demos if name not in marked)
        raise InputError(
            f"{file}: {marked[0]} has an attribute {SUCCESS}, {other} has none: give it to all, or"
            " to none"
        )
    if marked:
        return f"the attribute {SUCCESS} of each demonstration, at its last step"
    logger.warning(
        "%s does not say which demonstrations succeeded (no array or attribute %s): the store will"
        " not either; dones, which may mean no more than an end, are kept as they are",
        file,
        SUCCESS,
    )
    return f"not recorded: there is no array or attribute {SUCCESS}"


def read_successes(demo: Any, steps: int) -> Bool[np.ndarray, " time"] | None:  # noqa: ANN401
    """Give whether each step of a demonstration has reached the goal; None where it does not say.

    Raises:
        InputError: The array or attribute is something else than 0 or 1.
    """
    if SUCCESS in demo:
        return _flags(demo, SUCCESS)
    if SUCCESS not in demo.attrs:
        return None
    said = np.ravel(demo.attrs[SUCCESS])
    if said.dtype.kind not in "biu" or said.tolist() not in ([0], [1]):
        raise InputError(f"{place(demo)}: the attribute {SUCCESS} is {said}; 0 or 1 is expected")
    return np.asarray((np.arange(steps) == steps - 1) & bool(said[0]))


def read_ends(demo: Any, meaning: Any) -> dict[str, np.ndarray]:  # noqa: ANN401
    """Give `dones` as the array that they are: `terminal`, or `done` where nobody knows.

    Args:
        demo: A demonstration.
        meaning: The attribute `dones` of `data`.

    Raises:
        InputError: They are something else than 0 or 1.
    """
    if DONES not in demo or meaning == UNKNOWN:
        return {}
    return {"terminal" if meaning == TERMINALS else "done": _flags(demo, DONES)}


def known_ends(store: EpisodeStore) -> str | None:
    """Say what `known_dones` of a store are: true terminals, unknown, or as recorded (None)."""
    if "terminal" in store.names:
        return TERMINALS
    if "done" in store.names:
        return None
    return UNKNOWN if _step_limit(store) is None else TERMINALS


def known_dones(store: EpisodeStore, steps: slice) -> Bool[np.ndarray, " time"]:
    """Tell after which steps of an episode a store knows that nothing could follow."""
    for name in ("terminal", "done"):
        if name in store.names:
            return store.read(name, steps).astype(bool)
    length, limit = steps.stop - steps.start, _step_limit(store)
    ended = limit is not None and length < limit
    return np.asarray((np.arange(length) == length - 1) & ended)


def _step_limit(store: EpisodeStore) -> int | None:
    """Give how long episodes may last, where we played them: a shorter one ended by itself."""
    identity = store.identity
    recorded = identity.get("behaviour", {}).get("kind") in (None, "recorded")
    return None if recorded else identity.get("env", {}).get("episode_steps")


def _flags(demo: Any, key: str) -> Bool[np.ndarray, " time"]:  # noqa: ANN401
    values = rows(demo, key).ravel()
    if not np.isin(values, (0, 1)).all():
        odd = values[~np.isin(values, (0, 1))][0]
        raise InputError(f"{place(demo, key)} holds {odd}; only 0 and 1 are expected")
    return values.astype(bool)
