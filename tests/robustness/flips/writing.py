"""Go on writing into a damaged store: refused, or done without a loss to what was there."""

import shutil
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from datasets.store.chunk_codecs import StoreFormat
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.helpers.killing import everything
from tests.robustness.flips.damage import Damage
from tests.robustness.flips.targets import Target


def continued(
    target: Target, place: Path, damages: Sequence[Damage]
) -> Iterator[tuple[Damage, str]]:
    """Append an episode to a copy after each damage, one after the other.

    Yields:
        Each damage and its outcome: `refused`, `same`, or the fault.
    """
    warnings.simplefilter("ignore")
    store = EpisodeStore.open(target.root)
    true, steps = everything(store), store.steps
    for damage in damages:
        shutil.rmtree(place)
        shutil.copytree(target.root, place)
        file = place / damage.file
        content = file.read_bytes()
        file.write_bytes(damage.of(content))
        said = _append(store, place)
        if said != "refused":
            yield damage, said or _lost(place, true, steps)
            continue
        file.write_bytes(content)  # As from a copy: then nothing may be missing.
        yield damage, _lost(place, true, steps).replace("same", "refused")


def _append(source: EpisodeStore, place: Path) -> str:
    """Append the first episode once more; give what went wrong."""
    about = source.attributes
    format_ = StoreFormat(about["zarr_format"], about["error_mm"])
    try:
        with EpisodeStore.writing(place, format_, about) as store:
            store.append(source.read_whole(0))
    except InputError:
        return "refused"
    except Exception as error:  # Whatever a writer lets through is what is looked for.
        return f"{type(error).__name__}: {error}"[:200]
    return ""


def _lost(place: Path, true: dict[str, np.ndarray], steps: int) -> str:
    """Look whether the episodes that were there before are there still."""
    try:
        found = everything(EpisodeStore.open(place))
    except Exception as error:  # Nothing was mended that was not whole before.
        return f"the writer lost it: {type(error).__name__}: {error}"[:200]
    for name, values in true.items():
        if name not in found:
            return f"the writer lost {name}"
        count = len(values) if name.startswith("meta/") else steps
        if found[name][:count].tobytes() != values[:count].tobytes():
            return f"the writer changed {name}"
    return "same"
