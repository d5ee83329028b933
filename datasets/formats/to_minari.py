"""Written for Minari: a folder with `data/main_data.hdf5` and `data/metadata.json`.

    episode_<i>/observations/{state, point_cloud, <camera>_image, <camera>_depth}  (step + 1, ...)
    episode_<i>/actions (step, action)    episode_<i>/infos/{success, sim_state}   (step + 1, ...)
    episode_<i>/rewards, terminations, truncations (step,)

Source: Minari's dataset/_storages/hdf5_storage.py, minari_storage.py and serialization.py (0.5.4).
Minari has an observation behind the last action, which was not recorded here: it repeats the one
before, as its simulator state does. `infos` begin with the reset, so `success` of an action is one
row behind it. Terminations are true ends; an episode that only its limit or its recording ended is
truncated. Rewards that were never recorded are NaN. Pictures are kept as they are, not as JPEG. All
that the store says of itself is `made_from` of the metadata.
"""

import json
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np

from datasets.formats.shared.exporter import walk, whole
from datasets.formats.shared.exporting import observation_sources, task_of
from datasets.formats.shared.hdf5_writing import writing
from datasets.formats.shared.outcomes import known_dones
from datasets.store.store import EpisodeStore

logger = logging.getLogger(__name__)

SUFFIX = None  # A folder, as LeRobot's is.
MINARI = "0.5.4"
BYTES = (0, 255)


def write(store: EpisodeStore, out: Path) -> None:
    """Write every episode of a store as Minari keeps them.

    Raises:
        InputError: h5py is missing, or `out` exists or is being written.
        OSError: The disk is full; nothing is left of what was written.
    """
    sources = observation_sources(store)
    largest = 0.0
    with whole(out) as partial:
        data = partial / "data"
        data.mkdir(parents=True)
        with writing(data / "main_data.hdf5", out) as (file, check):
            for index, rows in walk(store, "to Minari"):
                _write_episode(file.create_group(f"episode_{index}"), store, index, sources)
                largest = max(largest, float(np.abs(store.read("action", rows)).max()))
                check()
        said = metadata(store, out.name, sources, largest)
        text = json.dumps(said, indent=2)
        (data / "metadata.json").write_text(text, encoding="utf-8")
    if "reward" not in store.names:
        logger.warning("%s holds no rewards: Minari is given NaN", store.path)


def metadata(
    store: EpisodeStore, name: str, sources: dict[str, str], largest: float
) -> dict[str, Any]:
    """Say what the dataset holds, as Minari's metadata.json does.

    Args:
        store: What was written.
        name: Of the folder.
        sources: The store's array behind each observation.
        largest: The largest number of an action.
    """
    first = {key: store.read(array, slice(0, 1)) for key, array in sources.items()}
    spaces = {key: _box(values.shape[1:], values.dtype) for key, values in first.items()}
    action = store.read("action", slice(0, 1))
    bound = max(largest, 1.0)
    return {
        "total_episodes": store.episodes,
        "total_steps": store.steps,
        "data_format": "hdf5",
        "jpeg_encoding": False,
        "observation_space": json.dumps({"type": "Dict", "subspaces": spaces}),
        "action_space": json.dumps(_box(action.shape[1:], action.dtype, (-bound, bound))),
        "dataset_id": re.sub(r"\W", "-", name),
        "minari_version": MINARI,
        "algorithm_name": str(store.identity.get("behaviour", {}).get("kind", "unknown")),
        "description": f"{task_of(store)}, exported by SODP-3D",
        "made_from": store.attributes,
    }


def _box(
    shape: tuple[int, ...], dtype: np.dtype, bounds: tuple[float, float] | None = None
) -> dict[str, Any]:
    """Describe arrays of a shape as Gymnasium's Box, serialised."""
    unbounded = BYTES if dtype == np.uint8 else (-np.inf, np.inf)
    low, high = (np.full(shape, bound).tolist() for bound in bounds or unbounded)
    return {"type": "Box", "dtype": str(dtype), "shape": list(shape), "low": low, "high": high}


def _write_episode(
    episode: Any,  # noqa: ANN401 (h5py has no types)
    store: EpisodeStore,
    index: int,
    sources: dict[str, str],
) -> None:
    rows = store.rows(index)
    steps = rows.stop - rows.start
    episode.attrs.update({"id": index, "total_steps": steps})
    if store.has("meta/seed") and (seed := int(store.read("meta/seed")[index])) >= 0:
        episode.attrs["seed"] = seed
    for key, name in sources.items():
        values = _and_last(store.read(name, rows))
        episode.create_dataset(f"observations/{key}", data=values, compression="gzip")
    ended = known_dones(store, rows)
    episode["actions"] = store.read("action", rows)
    rewarded = "reward" in store.names
    episode["rewards"] = store.read("reward", rows) if rewarded else np.full(steps, np.nan, "f4")
    episode["terminations"] = ended
    episode["truncations"] = (np.arange(steps) == steps - 1) & ~ended
    if "success" in store.names:
        reached = store.read("success", rows).astype(bool)
        episode["infos/success"] = np.concatenate([[False], reached])
    if "sim_state" in store.names:
        episode["infos/sim_state"] = _and_last(store.read("sim_state", rows))


def _and_last(values: np.ndarray) -> np.ndarray:
    """Repeat the last row: what followed was not recorded."""
    return np.concatenate([values, values[-1:]])
