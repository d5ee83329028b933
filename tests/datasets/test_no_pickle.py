"""Nothing that is read can run: no pickle is ever loaded, by NumPy, Zarr or torch."""

import ast
import json
import os
import pickle
import shutil
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr

from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.helpers.killing import everything
from tests.helpers.made_up import PLAIN

ROOT = Path(__file__).resolve().parents[2]
LOADERS = {  # The argument that keeps each from running what it reads.
    ("np", "load"): ("allow_pickle", False),
    ("numpy", "load"): ("allow_pickle", False),
    ("torch", "load"): ("weights_only", True),
}
RUNNING = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}
ALLOWED = {  # A reader of arrays and nothing else, and tests that write what must be refused.
    "datasets/formats/shared/pickle_arrays.py",
    "datasets/formats/from_dapg.py",
    "policy/planner/dp3/archive.py",
    "tests/helpers/foreign_data.py",
    "tests/policy/planner/dp3_checkpoint.py",
    "tests/robustness/fuzz/sandbox.py",
}


def sources() -> list[Path]:
    rooms = (
        "perception",
        "visualizer",
        "envs",
        "datasets",
        "policy",
        "configs",
        "studies",
        "clients",
        "examples",
        "tests",
    )
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


@pytest.mark.parametrize("source", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_loads_a_pickle(source: Path) -> None:
    place = str(source.relative_to(ROOT))
    is_test = place.startswith("tests/") and source.name.startswith("test_")
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom) and place not in ALLOWED:
            module = getattr(node, "module", None) or ""
            names = {alias.name.split(".")[0] for alias in node.names} | {module.split(".")[0]}
            assert not names & RUNNING or is_test, (place, node.lineno)
        if isinstance(node, ast.Call):
            safe = LOADERS.get(tuple(ast.unparse(node.func).split(".")))
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            assert safe is None or given.get(safe[0]) == str(safe[1]), (place, node.lineno)
            assert given.get("allow_pickle") != "True" or is_test, place


class Hostile:
    """An object whose pickle leaves a file behind when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, (f"touch {self._mark}",))


DISGUISES: dict[str, dict[str, object]] = {
    "objects": {"dtype": "|O", "filters": [{"id": "pickle", "protocol": 4}]},
    "numbers": {"dtype": "<f4", "filters": [{"id": "pickle", "protocol": 4}]},
    "compressor": {"dtype": "<f4", "filters": None, "compressor": {"id": "pickle", "protocol": 4}},
    "text": {"dtype": "|O", "filters": [{"id": "json2"}]},
}


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("name", ["data/reward", "meta/noise", "meta/episode_ends"])
def test_a_hostile_store_runs_nothing(
    tiny_store: Path, tmp_path: Path, name: str, disguise: str
) -> None:
    store, mark = tmp_path / "hostile.zarr", tmp_path / "it-ran"
    shutil.copytree(tiny_store, store)
    described = store / name / ".zarray"
    told: dict[str, object] = json.loads(described.read_text())
    told |= {"compressor": None, **DISGUISES[disguise]}
    described.write_text(json.dumps(told))
    (store / name / "0").write_bytes(pickle.dumps(Hostile(mark)))
    with pytest.raises(InputError, match=f"{name}.*(is not read|cannot be read)"):
        everything(EpisodeStore.open(store))
    said = EpisodeStore.open(tiny_store).attributes
    with pytest.raises(InputError, match=name), EpisodeStore.writing(store, PLAIN, said):
        pass
    assert not mark.exists()


def test_plain_zarr_would_have_run_it(tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    group = zarr.open_group(tmp_path / "bare.zarr", mode="w", zarr_format=2)
    chain = {"filters": [numcodecs.Pickle()], "compressors": None}
    array = group.create_array("x", shape=(4,), chunks=(4,), dtype=np.float32, **chain)
    (tmp_path / "bare.zarr/x/0").write_bytes(pickle.dumps(Hostile(mark)))
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        array[:]
    assert mark.exists()
