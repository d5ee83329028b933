"""Descriptions of stores that make no sense end in one line, whoever wrote them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.store.chunk_codecs import StoreFormat
from datasets.store.descriptions import SEAL
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.helpers.killing import everything
from tests.helpers.made_up import episode, write

Change = Callable[[dict[str, Any]], object]


def put(*keys: str, value: Any) -> Change:  # noqa: ANN401
    """Change one value of a nest of groups."""

    def change(said: dict[str, Any]) -> None:
        for key in keys[:-1]:
            said = said[key]
        said[keys[-1]] = value

    return change


def deep() -> Any:  # noqa: ANN401
    nest: Any = 0
    for _ in range(900):
        nest = [nest]
    return nest


ARRAYS: list[tuple[str, Change]] = [
    ("action", put("chunks", value=[0, 28])),
    ("action", put("chunks", value=[0])),
    ("action", put("chunks", value=[])),
    ("action", put("chunks", value=[-1, 28])),
    ("action", put("chunks", value=["a", 28])),
    ("action", put("chunks", value=[10**9, 28])),
    ("action", put("chunks", value=None)),
    ("action", put("shape", value=[10**9, 10**9])),
    ("action", put("shape", value=[120])),
    ("action", put("shape", value=[120.5, 28])),
    ("action", put("shape", value=[-1, 28])),
    ("action", put("shape", value={})),
    ("action", put("shape", value=deep())),
    ("action", put("dtype", value="|O")),
    ("action", put("dtype", value="<i4")),
    ("action", put("dtype", value="<f99")),
    ("action", put("dtype", value=7)),
    ("action", put("filters", value="x")),
    ("action", put("filters", value=[{"id": "nobody"}])),
    ("action", put("zarr_format", value=9)),
    ("action", lambda said: said.pop("shape")),
    ("action", lambda said: said.pop("dtype")),
    ("action", lambda said: said.pop("filters")),
    ("../meta/episode_ends", put("chunks", value=[0])),
    ("../meta/episode_ends", put("dtype", value="<f8")),
    ("../meta/episode_ends", put("shape", value=[3, 1])),
    ("../meta/seed", put("dtype", value="<f8")),
]
SAID: list[Change] = [
    put("schema_version", value="three"),
    put("schema_version", value=None),
    put("schema_version", value=[4]),
    put("schema_version", value=0),
    put("schema_version", value=-1),
    put("schema_version", value=1e400),
    put("identity", value=[]),
    put("identity", value="x"),
    put("identity", value={"behaviour": 5}),
    put("identity", value={"behaviour": {"name": "agent"}}),
    put("identity", value={"behaviour": {"name": "replay", "replay": {}}}),
    put("identity", value={"learning": []}),
    put("identity", value={"env": {"view": 3}}),
    put("identity", value={"env": deep()}),
    put("task", value=3),
    put("cameras", value=[]),
    put("versions", value="x"),
    lambda said: said.pop("identity"),
    lambda said: said.pop("schema_version"),
]


@pytest.fixture(scope="module", params=[3, 4])
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, with checksums of its descriptions (schema 4) and as it was before (3)."""
    path = tmp_path_factory.mktemp("sound") / "s.zarr"
    write(path, *(episode(40, seed) for seed in range(3)), format_=StoreFormat(2, 0.09))
    if request.param == 3:
        for file in path.rglob(".zattrs"):
            said = json.loads(file.read_text())
            said.pop(SEAL, None)
            file.write_text(json.dumps(said | ({"schema_version": 3} if said else {})))
    return path


def outcome(path: Path) -> str:
    """Read all that a store says and holds, or refuse it."""
    try:
        store = EpisodeStore.open(path)
        everything(store)
        assert store.identity
        assert store.env
    except InputError as error:
        return str(error)
    return ""


def test_a_store_of_schema_3_reads_as_before(sound: Path) -> None:
    assert "does not hold its task" in outcome(sound)
    actions = everything(EpisodeStore.open(sound))["action"]
    np.testing.assert_array_equal(actions[:40], episode(40, 0).recording.actions)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "change"), ARRAYS)
def test_arrays_that_make_no_sense(sound: Path, tmp_path: Path, name: str, change: Change) -> None:
    path = Path(shutil.copytree(sound, tmp_path / "s.zarr"))
    file = path / "data" / name / ".zarray"
    said = json.loads(file.read_text())
    change(said)
    file.write_text(json.dumps(said))
    assert outcome(path)
    with pytest.raises(InputError):
        write(path, episode(40, 3), format_=StoreFormat(2, 0.09))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("change", SAID)
def test_attributes_that_make_no_sense(sound: Path, tmp_path: Path, change: Change) -> None:
    path = Path(shutil.copytree(sound, tmp_path / "s.zarr"))
    said = json.loads((path / ".zattrs").read_text())
    change(said)
    (path / ".zattrs").write_text(json.dumps(said))
    assert outcome(path)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "\x00", "", "null", "3"])
@pytest.mark.parametrize("name", [".zattrs", ".zgroup", "data/action/.zarray"])
def test_descriptions_that_are_no_json(sound: Path, tmp_path: Path, name: str, text: str) -> None:
    path = Path(shutil.copytree(sound, tmp_path / "s.zarr"))
    (path / name).write_text(text)
    assert outcome(path)
