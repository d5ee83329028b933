"""Other people's Zarr of odd layouts, ends and numbers: refused before anything is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from tests.formats.foreign.test_foreign_zarr import ENDS, STEPS, refused, write
from tests.helpers.foreign_data import WHOLE, as_store

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
    tmp_path: Path, change: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    source = write(tmp_path / "theirs.zarr")
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
