"""Other people's Zarr with faults: named in one line before anything is written, or said."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import zarr

from datasets.formats.detect import detect
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.helpers.foreign_data import WHOLE, as_store

STEPS, ENDS = 60, (10, 34, 60)
CHUNK = 20


def write(path: Path, version: int = 2, compressors: object = "auto", **more: np.ndarray) -> Path:
    """Write a small dataset of three episodes in three chunks."""
    rng = np.random.default_rng(0)
    arrays = {
        "state": rng.normal(size=(STEPS, 9)).astype(np.float32),
        "action": rng.uniform(-1, 1, (STEPS, 7)).astype(np.float32),
        "point_cloud": rng.uniform(-1, 1, (STEPS, 8, 3)).astype(np.float32),
        **more,
    }
    group: Any = zarr.open_group(path, mode="w", zarr_format=version)
    for name, values in arrays.items():
        chunks = (CHUNK, *(max(size, 1) for size in values.shape[1:]))
        group.create_array(
            f"data/{name}", data=values, chunks=chunks, compressors=compressors, config=WHOLE
        )
    group.create_array("meta/episode_ends", data=np.array(ENDS), config=WHOLE)
    return path


def edit(file: Path, **changes: object) -> None:
    file.write_text(
        json.dumps({**json.loads(file.read_text(encoding="utf-8")), **changes}), encoding="utf-8"
    )


def refused(source: Path, *overrides: str) -> str:
    """Convert what must be refused before anything of the target is there; give the line."""
    target = source.parent / "ours.zarr"
    with pytest.raises(InputError) as caught:
        as_store(source, target, "task=mine", *overrides)
    assert not [p for p in source.parent.iterdir() if "ours" in p.name]
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "theirs.zarr")


@pytest.mark.parametrize("name", ["action", "state", "point_cloud"])
@pytest.mark.parametrize(("version", "key"), [(2, "1.0"), (3, "c/1/0")])
def test_a_lost_chunk_is_no_zeros(tmp_path: Path, name: str, version: int, key: str) -> None:
    source = write(tmp_path / "theirs.zarr", version)
    deeper = {"1.0": "1.0.0", "c/1/0": "c/1/0/0"}[key] if name == "point_cloud" else key
    (source / "data" / name / deeper).unlink()
    text = refused(source)
    assert f"theirs.zarr: data/{name}/{deeper}, which holds steps 20 to 39 (episodes 1" in text
    assert "restore that file" in text
    assert "absent_chunks=fill" in text


def test_lost_ends_are_refused(source: Path) -> None:
    (source / "meta/episode_ends/0").unlink()
    assert "meta/episode_ends/0, which holds entries 0 to 2, is not there" in refused(source)


def test_chunks_left_out_by_their_writer_are_read_if_the_user_says_so(
    source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (source / "data/action/1.0").unlink()
    store = as_store(source, tmp_path / "ours.zarr", "task=mine", "absent_chunks=fill")
    assert not store.read("action", slice(20, 40)).any()
    assert store.attributes["conversion"]["filled"] == {"action": ["1.0"]}
    assert "data/action has no chunk 1.0: read as the fill value" in caplog.text


def test_without_a_fill_value_there_is_nothing_to_fill_in(source: Path) -> None:
    (source / "data/action/1.0").unlink()
    edit(source / "data/action/.zarray", fill_value=None)
    text = refused(source, "absent_chunks=fill")
    assert text.endswith("is not there: restore that file from a copy")


def test_an_empty_shard_counts_as_a_chunk(tmp_path: Path) -> None:
    source = write(tmp_path / "theirs.zarr", 3)
    group: Any = zarr.open_group(source, mode="r+")
    values = group["data/action"][:]
    del group["data/action"]
    group.create_array("data/action", data=values, chunks=(5, 7), shards=(20, 7))
    np.testing.assert_array_equal(
        as_store(source, tmp_path / "whole.zarr", "task=mine").read("action"), values
    )
    (source / "data/action/c/2/0").unlink()
    assert "data/action/c/2/0, which holds steps 40 to 59 (episode 2)" in refused(source)


COMPRESSORS = {
    "lz4": numcodecs.Blosc(cname="lz4"),
    "blosc": numcodecs.Blosc(cname="zstd", clevel=3, shuffle=1),
    "zlib": numcodecs.Zlib(),
    "gzip": numcodecs.GZip(),
    "lzma": numcodecs.LZMA(),
    "bz2": numcodecs.BZ2(),
    "zstd": numcodecs.Zstd(),
    "raw": None,
}


@pytest.mark.parametrize("codec", COMPRESSORS)
def test_a_chunk_cut_in_half_is_named(tmp_path: Path, codec: str) -> None:
    source = write(tmp_path / "theirs.zarr", compressors=COMPRESSORS[codec])
    file = source / "data/action/1.0"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    text = refused(source)
    assert "data/action/1.0, which holds steps 20 to 39 (episodes 1 to 2)" in text


@pytest.mark.parametrize("content", [b"", b"\0" * 64, bytes(range(256))])
def test_a_chunk_of_other_bytes_is_named(source: Path, content: bytes) -> None:
    (source / "data/state/2.0").write_bytes(content)
    assert "data/state/2.0, which holds steps 40 to 59 (episode 2)" in refused(source)


def test_arrays_that_nobody_asked_for_are_not_opened(
    source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, changes in (
        ("img", {"compressor": {"id": "imagecodecs_jpegxl", "level": 99}}),
        ("notes", {"dtype": "|O", "filters": [{"id": "pickle", "protocol": 2}]}),
        ("full_state", {"chunks": [0, 9]}),
    ):
        shutil.copytree(source / "data/state", source / "data" / name)
        edit(source / "data" / name / ".zarray", **changes)
    with caplog.at_level("INFO"):
        store = as_store(source, tmp_path / "whole.zarr", "task=mine")
    assert store.names == ["action", "point_cloud", "state"]
    assert "not converted: full_state, img, notes" in caplog.text
    text = refused(source, "images=[img]")
    assert "data/img is kept by codecs (imagecodecs_jpegxl)" in text
    assert "install it, or convert without" in text


DESCRIPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no chunks": ({"chunks": [0, 7]}, "has shape [60, 7] and chunks [0, 7]"),
    "chunks below zero": ({"chunks": [-3, 7]}, "and chunks [-3, 7]"),
    "axes that differ": ({"chunks": [20]}, "and chunks [20]"),
    "a vast shape": ({"shape": [10**9, 7]}, "rows beyond"),
    "a shape beyond all": ({"shape": [10**18, 10**9]}, "which no disk holds"),
    "vast chunks": ({"chunks": [10**9, 7]}, "cannot be decoded"),
    "text for a shape": ({"shape": "abc"}, "has shape abc"),
    "an order of its own": ({"order": "Q"}, "the description of data/action is damaged"),
    "another type": ({"dtype": "<f4x"}, "the description of data/action is damaged"),
    "fields": ({"dtype": [["a", "<f4"]]}, "the description of data/action is damaged"),
    "text": ({"dtype": "<U4", "fill_value": ""}, "data/action holds <U4, not numbers"),
    "a codec that runs code": ({"compressor": {"id": "pickle"}}, "which runs code"),
    "another version": ({"zarr_format": 9}, "describes no array of Zarr 2"),
    "no version": ({"zarr_format": None}, "describes no array of Zarr 2"),
}


@pytest.mark.parametrize("case", DESCRIPTIONS)
def test_a_description_that_cannot_be_true_is_refused(
    source: Path, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    changes, message = DESCRIPTIONS[case]
    edit(source / "data/action/.zarray", **changes)
    if message == "rows beyond":  # As an over-long array: its first steps are all there.
        as_store(source, source.parent / "o.zarr", "task=mine")
        assert message in caplog.text
    else:
        assert message in refused(source)


@pytest.mark.parametrize("file", [".zgroup", "data/.zgroup", "data/action/.zarray", ".zattrs"])
@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\xff\xfe", "[]", "3"])
def test_descriptions_that_are_no_json_are_named(source: Path, file: str, text: str) -> None:
    (source / file).write_bytes(text.encode("latin-1"))
    assert file in refused(source)


@pytest.mark.parametrize("file", [".zgroup", "meta/.zgroup"])
def test_a_lost_group_is_named(source: Path, file: str) -> None:
    (source / file).unlink()
    assert ".zgroup" in refused(source, "format=dp3")


def test_a_zip_is_to_be_unpacked(source: Path) -> None:
    packed = source.parent / "theirs.zarr.zip"
    with zipfile.ZipFile(packed, "w") as file:
        for part in source.rglob("*"):
            file.write(part, part.relative_to(source))
    for override in ("format=auto", "format=dp3"):
        text = refused(packed, override)
        assert "is a zip: unpack it (python -m zipfile -e" in text
        assert text.endswith(f"give from={source}")


SHAPES: dict[str, tuple[str, np.ndarray, str]] = {
    "no action": ("action", np.zeros((STEPS, 0), "f4"), "data/action is (60, 0)"),
    "no reading": ("state", np.zeros((STEPS, 0), "f4"), "data/state is (60, 0)"),
    "flat action": ("action", np.ones(STEPS, "f4"), "reshape it to (60, 1)"),
    "flat state": ("state", np.ones(STEPS, "f4"), "reshape it to (60, 1)"),
    "deep state": ("state", np.ones((STEPS, 2, 4), "f4"), "reshape it to (60, 8)"),
    "flat clouds": ("point_cloud", np.ones((STEPS, 24), "f4"), "(step, point, 3 or 6)"),
    "no points": ("point_cloud", np.ones((STEPS, 0, 3), "f4"), "(step, point, 3 or 6)"),
    "complex": ("action", np.ones((STEPS, 7), "c8"), "holds complex64, not numbers"),
    "too large": ("state", np.full((STEPS, 9), 1e300), "episode 0, step 0 holds NaN or inf"),
    "too few": ("state", np.ones((50, 9), "f4"), "data/state has 50 of 60 steps"),
}


@pytest.mark.parametrize("case", SHAPES)
def test_odd_layouts_are_refused(tmp_path: Path, case: str) -> None:
    name, values, message = SHAPES[case]
    assert message in refused(write(tmp_path / "theirs.zarr", **{name: values}))


@pytest.mark.parametrize("name", ["state", "action", "point_cloud"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_none_is_found_before_the_first_episode(
    tmp_path: Path, name: str, value: float
) -> None:
    shape = {"state": (STEPS, 9), "action": (STEPS, 7), "point_cloud": (STEPS, 8, 3)}[name]
    values = np.ones(shape, np.float32)
    values.reshape(STEPS, -1)[50, 2] = value
    text = refused(write(tmp_path / "theirs.zarr", **{name: values}))
    size = values[0].size
    assert f"data/{name}, episode 2, step 16 holds NaN or infinity (1 of {size} numbers)" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ends: ends[:, None], "(3, 1) of int64: it must be (episode,)"),
        (lambda ends: ends.astype(float), "(3,) of float64"),
        (lambda ends: ends[::-1].copy(), "episode 1 ends at 34, and begins at 60"),
        (lambda ends: -ends, "episode 0 ends at -10, and begins at 0"),
        (lambda ends: ends[[0, 0, 2]], "episode 1 ends at 10, and begins at 10"),
        (lambda ends: ends.astype("u8") + 2**63, "does not ascend"),
        (lambda ends: ends + 1, "has 60 of 61 steps"),
        (lambda _: np.arange(1, 100), "names 99 episodes, but there are 60 steps"),
        (lambda _: np.zeros(0, np.int64), "is empty"),
    ],
)
def test_ends_that_are_none_are_refused(
    source: Path, change: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    group: Any = zarr.open_group(source, mode="r+")
    del group["meta/episode_ends"]
    data = change(np.array(ENDS))
    group.create_array("meta/episode_ends", data=data, config=WHOLE)
    assert message in refused(source)


def test_rows_beyond_the_last_episode_are_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    longer = np.ones((STEPS + 15, 9), np.float32)
    store = as_store(write(tmp_path / "t.zarr", state=longer), tmp_path / "o.zarr", "task=mine")
    assert store.steps == STEPS
    assert "which ends at 60, belong to none and are left out: 15 of data/state" in caplog.text
    assert store.attributes["conversion"]["rows_beyond_the_last_episode"] == {"state": 15}


def test_a_point_too_far_out_is_found_before_the_first_episode(tmp_path: Path) -> None:
    clouds = np.ones((STEPS, 8, 3), np.float32)
    clouds[-1, -1, -1] = 50
    assert "theirs.zarr: Points beyond" in refused(
        write(tmp_path / "theirs.zarr", point_cloud=clouds)
    )


def test_what_was_never_recorded_is_said(source: Path, tmp_path: Path) -> None:
    store = as_store(source, tmp_path / "ours.zarr", "task=mine")
    said = store.attributes["conversion"]
    assert (said["rewards"], said["successes"]) == ("not recorded", "not recorded")
    assert store.read_recording(0).successes is None


def test_a_store_of_ours_without_its_description_is_no_foreign_one(tmp_path: Path) -> None:
    store = as_store(write(tmp_path / "theirs.zarr"), tmp_path / "mine.zarr", "task=mine")
    assert detect(store.path) == "store"
    said = json.loads((store.path / ".zattrs").read_text())
    said["schema_verzion"] = said.pop("schema_version")
    (store.path / ".zattrs").write_text(json.dumps(said))
    assert "whose description (.zattrs or zarr.json) is damaged" in refused(store.path)
    with pytest.raises(InputError):
        EpisodeStore.open(store.path)
