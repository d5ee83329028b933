"""Single episodes of a store: written with their end last, and read back."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from datasets.episode import Episode, Provenance, Recording, arrays_of, provenance_row
from datasets.store.contents import Contents
from datasets.store.episode_ends import CHUNK_EPISODES, ENDS
from perception.errors import InputError

CHUNK_STEPS = 100
PROVENANCE = ("seed", "noise", "random_share", "start_state", "agent", "agent_step")


def room_for_ends(episodes: int) -> int:
    """Give how many episodes can be written at once behind so many: their ends share a chunk."""
    return CHUNK_EPISODES - episodes % CHUNK_EPISODES


def append_episodes(contents: Contents, episodes: Sequence[Episode | Recording]) -> None:
    """Write one or more episodes; until this returns, readers see none of them.

    Args:
        contents: Of the store.
        episodes: Of equal arrays; at most as many as `room_for_ends` has.

    Raises:
        InputError: The episodes before hold other arrays than these.
    """
    new = [arrays_of(episode) for episode in episodes]
    for recording, data in new:
        _require_alike(contents, recording, data)
    arrays, start, row = contents.arrays, contents.lengths["data"], contents.lengths["meta"]
    ends = start + np.cumsum([len(recording) for recording, _ in new])
    contents.begun = end = int(ends[-1])
    # Before the data: see datasets/store/episode_ends.py.
    arrays.write(ENDS, np.array([-end]), row, chunk=CHUNK_EPISODES)
    for name in new[0][1]:
        parts = [data[name] for _, data in new]
        values = parts[0] if len(parts) == 1 else np.concatenate(parts)
        arrays.write(f"data/{name}", values, start, chunk=CHUNK_STEPS)
    rows = [provenance_row(recording) for recording, _ in new]
    for name in rows[0]:
        values = np.stack([np.asarray(one[name]) for one in rows])
        arrays.write(f"meta/{name}", values, row, chunk=CHUNK_EPISODES)
    arrays.commit({"data": end, "meta": row + len(new)}, (ENDS, *_ends_chunk(contents, row, ends)))
    contents.episode_ends = np.append(contents.episode_ends, ends)


def _ends_chunk(
    contents: Contents, row: int, ends: Int[np.ndarray, " episode"]
) -> tuple[int, np.ndarray]:
    """Give the number and the rows of the chunk of ends that new ones lie in; zeros come behind.

    Raises:
        ValueError: They lie in several.
    """
    if len(ends) > room_for_ends(row):
        raise ValueError(f"{len(ends)} episodes behind {row} end in more than one chunk")
    number = row // CHUNK_EPISODES
    rows = np.zeros(CHUNK_EPISODES, np.int64)
    before = contents.episode_ends[number * CHUNK_EPISODES : row]
    rows[: len(before)] = before
    rows[len(before) : len(before) + len(ends)] = ends
    return number, rows


def _require_alike(contents: Contents, recording: Recording, data: dict[str, np.ndarray]) -> None:
    """Refuse an episode that holds other arrays than those before it."""
    if not len(contents.episode_ends):
        return
    names = contents.arrays.names("data")
    if sorted(data) != names:
        there, here = ", ".join(names), ", ".join(data)
        raise InputError(f"{contents.path} holds {there}; the next episode {here}")
    if (recording.provenance is not None) != ("meta/seed" in contents.arrays):
        raise InputError(f"{contents.path}: some episodes say where they come from, others do not")


def keep_first(contents: Contents, episodes: int) -> None:
    """Forget all but the first episodes, the newest first to go."""
    ends = contents.episode_ends[:episodes]
    if len(ends) < len(contents.episode_ends):
        forgotten = int(contents.episode_ends[-1])
        contents.episode_ends, contents.begun = ends, forgotten
        # First: readers see only wholes.
        mark = np.array([-forgotten])
        contents.arrays.write(ENDS, mark, len(ends), chunk=CHUNK_EPISODES)
        contents.cut()


def read_recording(contents: Contents, index: int) -> Recording:
    """Read one episode without its clouds.

    Raises:
        InputError: An array is shorter than its episodes, or damaged.
    """
    steps = contents.steps_of(index)
    there = contents.arrays.names("data")

    def read(name: str) -> np.ndarray | None:
        return contents.rows(f"data/{name}", steps.start, steps.stop) if name in there else None

    return Recording(
        states=contents.rows("data/state", steps.start, steps.stop),
        actions=contents.rows("data/action", steps.start, steps.stop),
        rewards=read("reward"),
        successes=read("success"),
        sim_states=read("sim_state"),
        provenance=_read_provenance(contents, index),
    )


def _read_provenance(contents: Contents, index: int) -> Provenance | None:
    if "meta/seed" not in contents.arrays:
        return None
    version: Any = contents.group.attrs["schema_version"]
    names = PROVENANCE[:4] if version < 2 else PROVENANCE  # Once without the agent.
    row = {name: contents.rows(f"meta/{name}", index, index + 1)[0] for name in names}
    return Provenance(
        seed=int(row["seed"]),
        noise=float(row["noise"]),
        random_share=float(row["random_share"]),
        start=row["start_state"],
        agent=int(row.get("agent", 0)),
        agent_step=int(row.get("agent_step", 0)),
    )
