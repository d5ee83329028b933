"""Where hand, object and goal were, read off a simulator that is put into recorded states."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from configs.progress import progress
from datasets.store.store import EpisodeStore
from envs.make import make_simulator
from envs.simulator import Places, Watched, put
from perception.errors import InputError


def places_at(store: EpisodeStore, rows: Int[np.ndarray, " step"]) -> Iterator[Places]:
    """Give where hand, object and goal are at some steps of a store, ascending; world metres.

    Raises:
        InputError: The store holds no simulator states or not its task, or the simulator does not
            say where things are.
    """
    if "sim_state" not in store.names or "env" not in store.identity:
        raise InputError(
            f"{store.path} does not hold its task and simulator states: places cannot be read off"
        )
    simulator = make_simulator(store.env)
    if not isinstance(simulator, Watched):
        raise InputError(
            f"The simulator of {store.path} does not say where its hand, object and goal are"
        )
    episodes = np.searchsorted(store.episode_ends, rows, side="right")
    for episode in np.unique(episodes):
        recording = store.read_recording(int(episode))
        if recording.provenance is not None:
            simulator.restore_state(recording.provenance.start)  # It may hold the goal.
        first = store.rows(int(episode)).start
        for row in rows[episodes == episode]:
            put(simulator, recording.scenes[row - first])
            yield simulator.places()


def movable_places(store: EpisodeStore) -> Float[np.ndarray, "step 2 3"]:
    """Give where the hand and the object are at every step (float32, world metres).

    Raises:
        InputError: As `places_at`.
    """
    found = np.empty((store.steps, 2, 3), np.float32)
    shown = progress(
        places_at(store, np.arange(store.steps)), "find hand and object", store.steps, unit="step"
    )
    for step, where in enumerate(shown):
        found[step] = where.hand, where.object
    if not np.isfinite(found).all():
        raise InputError(f"{store.path}: hand or object are nowhere (NaN) in a simulator state")
    return found
