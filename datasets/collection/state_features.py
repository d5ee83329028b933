"""The simulator's own features of every recorded step, computed by acting episodes again.

A store keeps what a picture depends on, and of each episode the exact start and the actions.
Features may depend on more than a picture does (Meta-World's hold the frame before; at an episode's
first step that is the first frame itself), so they are not read off single states: the episode is
acted again from its start, and each state on the way must be the recorded one, bit for bit.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from configs.progress import progress
from datasets.episode import Recording
from datasets.store.store import EpisodeStore
from envs.make import make_simulator
from envs.simulator import Simulator
from perception.errors import InputError

STATE_FEATURE = "state_feature"


def state_features(store: EpisodeStore) -> Iterator[Float[np.ndarray, "time feature"]]:
    """Give the features of each episode in order (float32), as they were before each action.

    Raises:
        InputError: The store does not know its task or its episodes' starts, or an episode does
            not come out as recorded.
    """
    if "sim_state" not in store.names or not store.has("meta/start_state"):
        raise InputError(
            f"{store.path} does not hold its starts and simulator states: it cannot be acted again"
        )
    simulator = make_simulator(store.env)
    for index in progress(range(store.episodes), "encode", unit="episode"):
        try:
            yield features_again(simulator, store.read_recording(index))
        except InputError as error:
            raise InputError(f"{store.path}, episode {index}: {error}") from error


def features_again(simulator: Simulator, recording: Recording) -> Float[np.ndarray, "time feature"]:
    """Act an episode again and give the features before each action.

    Raises:
        InputError: Its start was not recorded, or a state on the way is not the recorded one.
    """
    if recording.provenance is None:
        raise InputError("its start was not recorded")
    simulator.restore_state(recording.provenance.start)
    features = []
    for step, action in enumerate(recording.actions):
        if not np.array_equal(simulator.scene_state(), recording.scenes[step]):
            raise InputError(f"acted again it differs from what was recorded at step {step}")
        features.append(simulator.features())
        simulator.step(action)
    return np.stack(features)
