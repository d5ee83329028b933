"""Written for robomimic: one HDF5 file, as its SequenceDataset reads it.

    data/demo_<i>/actions (step, action)    data/demo_<i>/obs/state       (step, reading)
    data/demo_<i>/rewards (step,)           data/demo_<i>/obs/point_cloud (step, point, 3 or 6)
    data/demo_<i>/dones   (step,) 0 or 1    data/demo_<i>/obs/<camera>_image, <camera>_depth
    data/demo_<i>/success (step,) 0 or 1    data/demo_<i>/next_obs/...: the same, one step later
    data/demo_<i>/states  (step, scene)     mask/train, mask/valid: names of demonstrations

Attributes: `total` and `env_args` (JSON) of `data`, `num_samples` and `success` of each
demonstration; beside `data`, in `store`, all that the store says of itself (JSON). Source:
robomimic's docs/datasets/overview.md and utils/dataset.py.

`dones` are true terminals: robomimic's critics (IQL, TD3-BC, CQL) see no value beyond one, so the
end of an episode that was cut off by its limit is none. `data.attrs["dones"]` says `terminals`,
`unknown` (all are 0) where the store does not know, and nothing where they are those of a file
that was converted. What follows an episode's last step was not observed: its `next_obs` is its
`obs`, as in robomimic's convert_d4rl.py. `states` has what the scene is drawn from, or no column
where none was recorded. robomimic takes missing rewards for zeros.
"""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np

from datasets.formats.shared.exporter import walk, whole
from datasets.formats.shared.exporting import observation_sources, task_of
from datasets.formats.shared.hdf5_writing import writing
from datasets.formats.shared.outcomes import DONES, SUCCESS, known_dones, known_ends
from datasets.store.store import EpisodeStore
from envs.success import counts_as_success

logger = logging.getLogger(__name__)

SUFFIX = ".hdf5"
GYM_TYPE = 2  # robomimic's EnvType.
VALID_SHARE = 0.1  # As in robomimic's split_train_val.py.
SPLIT_SEED = 0


def write(store: EpisodeStore, out: Path) -> None:
    """Write every episode of a store as robomimic keeps them.

    Raises:
        InputError: h5py is missing, or `out` exists or is being written.
        OSError: The disk is full; nothing is left of what was written.
    """
    sources = observation_sources(store)
    largest = 0.0
    with whole(out) as partial, writing(partial, out) as (file, check):
        data = file.create_group("data")
        for index, rows in walk(store, "to robomimic"):
            demonstration = data.create_group(f"demo_{index}")
            _write_steps(demonstration, store, rows)
            for key, name in sources.items():
                values = _as_observed(name, store.read(name, rows))
                later = np.concatenate([values[1:], values[-1:]])
                demonstration.create_dataset(f"obs/{key}", data=values, compression="gzip")
                demonstration.create_dataset(f"next_obs/{key}", data=later, compression="gzip")
                check()
            largest = max(largest, float(np.abs(store.read("action", rows)).max()))
        data.attrs.update({"total": store.steps, "env_args": _env_args(store)})
        if (ends := known_ends(store)) is not None:
            data.attrs[DONES] = ends
        file["store"] = json.dumps(store.attributes)  # Attributes end at 64 KiB, datasets do not.
        for name, demonstrations in split(store.episodes).items():
            file.create_dataset(f"mask/{name}", data=np.array(demonstrations, "S"))
    if largest > 1:
        logger.warning("robomimic expects actions within -1 and 1; here they reach %.3g", largest)


def split(episodes: int) -> dict[str, list[str]]:
    """Draw which demonstrations are for training and which for validation (at least one of two)."""
    count = max(round(VALID_SHARE * episodes), min(episodes - 1, 1))
    drawn = np.random.default_rng(SPLIT_SEED).permutation(episodes)
    parts = {"train": drawn[count:], "valid": drawn[:count]}
    return {name: [f"demo_{index}" for index in sorted(part)] for name, part in parts.items()}


def _write_steps(demonstration: Any, store: EpisodeStore, rows: slice) -> None:  # noqa: ANN401
    """Write what is not observed: actions, rewards, successes, ends and simulator states."""
    steps = rows.stop - rows.start
    demonstration.attrs["num_samples"] = steps
    demonstration["actions"] = store.read("action", rows)
    if "reward" in store.names:
        demonstration["rewards"] = store.read("reward", rows)
    if "success" in store.names:
        reached = store.read("success", rows).astype(bool)
        demonstration[SUCCESS] = reached.astype(np.int64)
        success_at = store.identity.get("env", {}).get("success_at", "ever")
        demonstration.attrs[SUCCESS] = counts_as_success(reached[-1], reached.any(), success_at)
    demonstration[DONES] = known_dones(store, rows).astype(np.int64)
    scenes = "sim_state" in store.names
    demonstration["states"] = store.read("sim_state", rows) if scenes else np.zeros((steps, 0))


def _as_observed(name: str, values: np.ndarray) -> np.ndarray:
    """Give depth images the channel axis that robomimic expects."""
    return values[..., None] if name.startswith("depth") else values


def _env_args(store: EpisodeStore) -> str:
    """Describe the task as robomimic does, with our configuration of it (JSON)."""
    env = store.identity.get("env", {})
    return json.dumps({"env_name": task_of(store), "type": GYM_TYPE, "env_kwargs": {"config": env}})
