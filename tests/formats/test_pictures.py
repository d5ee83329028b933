"""Pictures and colours of others: one rule by type and spread; what is none is refused."""

from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest

from datasets.formats import to_lerobot
from datasets.formats.shared.clouds import cleaned, colour_scale
from datasets.formats.shared.pictures import depth_images, picture_rule
from datasets.formats.to_dp3 import write as write_dp3_layout
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.formats.test_foreign_zarr import STEPS, refused, write
from tests.helpers.foreign_data import as_store

RNG = np.random.default_rng(0)
GREY = np.broadcast_to(np.linspace(0, 1, STEPS)[:, None, None], (STEPS, 16, 20))
COLOUR = np.stack([GREY, GREY / 2, 1 - GREY], -1)  # (step, height, width, 3) of 0 to 1.
BYTES = np.rint(COLOUR * 255).astype(np.uint8)
OPAQUE = np.ones((STEPS, 16, 20, 1))

KINDS = {
    "bytes": BYTES,
    "0 to 1": COLOUR.astype(np.float32),
    "a little over": COLOUR * 1.02 - 0.01,
    "0 to 255, floating": COLOUR.astype(np.float64) * 255,
    "half": COLOUR.astype(np.float16),
    "16 bits": np.rint(COLOUR * 65535).astype(np.uint16),
    "bytes in 64 bits": BYTES.astype(np.int64),
    "channels first": np.moveaxis(BYTES, -1, 1),
    "channels first, 0 to 1": np.moveaxis(COLOUR, -1, 1).astype(np.float32),
    "opacity": np.concatenate([BYTES, np.full_like(BYTES[..., :1], 255)], -1),
    "opacity, 0 to 1": np.concatenate([COLOUR, OPAQUE], -1).astype(np.float32),
}
GREYS = {
    "bytes": np.rint(GREY * 255).astype(np.uint8),
    "with an axis": GREY[..., None].astype(np.float32),
    "channel first": GREY[:, None].astype(np.float32),
}


def made_bytes(pictures: np.ndarray) -> np.ndarray:
    blocks = np.array_split(pictures, 4)
    return picture_rule(pictures.shape, pictures.dtype, blocks, "here").convert(pictures)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_picture_becomes_the_same_bytes(kind: str) -> None:
    made = made_bytes(KINDS[kind])
    assert (str(made.dtype), made.shape) == ("uint8", BYTES.shape)
    slack = 6 if "over" in kind else 1
    assert np.abs(made.astype(int) - BYTES).max() <= slack


@pytest.mark.parametrize("kind", GREYS)
def test_grey_becomes_three_channels(kind: str) -> None:
    made = made_bytes(GREYS[kind])
    for channel in range(3):
        np.testing.assert_allclose(made[..., channel], GREYS["bytes"], atol=1)


def test_black_and_white_is_bool() -> None:
    made = made_bytes(GREY > 0.5)
    assert set(np.unique(made)) == {0, 255}


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (np.ones((STEPS, 7)), "pictures are (step, height, width, channel)"),
        (np.ones((STEPS, 5, 6, 2)), "of 1, 3 or 4 channels"),
        (np.ones((STEPS, 0, 6, 3)), "of 1, 3 or 4 channels"),
        (COLOUR * 2 - 1, "neither 0 to 1 nor 0 to 255"),
        (np.where(COLOUR > 0.99, 3.0, COLOUR), "neither 0 to 1 nor 0 to 255"),
        (COLOUR * 4000, "neither 0 to 1 nor 0 to 255"),
        (np.full((STEPS, 4, 4, 3), -5), "runs from -5 to -5"),
        (np.full((STEPS, 4, 4, 3), 70000), "runs from 70000 to 70000"),
        (np.where(COLOUR > 0.5, np.nan, COLOUR), "holds NaN or infinity"),
    ],
)
def test_what_is_no_picture_is_refused(pictures: np.ndarray, message: str) -> None:
    with pytest.raises(InputError) as caught:
        made_bytes(pictures)
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", ["0 to 1", "channels first, 0 to 1", "16 bits"])
def test_pictures_of_others_become_as_many_frames(tmp_path: Path, kind: str) -> None:
    source = write(tmp_path / "theirs.zarr", img=KINDS[kind])
    store = as_store(source, tmp_path / "ours.zarr", "task=mine", "images=[img]")
    assert store.read("img").shape == BYTES.shape
    to_lerobot.write(store, tmp_path / "lerobot")
    film = imageio.get_reader(next((tmp_path / "lerobot").glob("videos/*/*/*.mp4")))
    shown = np.stack(list(film.iter_data()))
    assert shown.shape == BYTES.shape
    np.testing.assert_allclose(shown.mean(axis=(1, 2, 3)), BYTES.mean(axis=(1, 2, 3)), atol=3)


def test_a_store_that_holds_floats_is_exported_as_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As a conversion of before wrote them.
    monkeypatch.setattr("datasets.formats.shared.pictures.PictureRule.convert", lambda _, p: p)
    source = write(tmp_path / "theirs.zarr", img=KINDS["0 to 1"])
    store = as_store(source, tmp_path / "ours.zarr", "task=mine", "images=[img]")
    assert store.read("img").dtype == np.float32
    monkeypatch.undo()
    to_lerobot.write(store, tmp_path / "lerobot")
    write_dp3_layout(store, tmp_path / "dp3.zarr")
    film = imageio.get_reader(next((tmp_path / "lerobot").glob("videos/*/*/*.mp4")))
    assert len(list(film.iter_data())) == STEPS


def test_pictures_that_are_none_are_refused_at_import(tmp_path: Path) -> None:
    source = write(tmp_path / "theirs.zarr", img=RNG.normal(size=(STEPS, 8, 8, 3)))
    assert "data/img: colours run from" in refused(source, "images=[img]")


def test_depth_loses_the_axis_of_its_channel(tmp_path: Path) -> None:
    depth = RNG.uniform(0, 2, (STEPS, 1, 6, 8)).astype(np.float32)
    source = write(tmp_path / "theirs.zarr", depth=depth)
    store = as_store(source, tmp_path / "ours.zarr", "task=mine", "images=[depth]")
    np.testing.assert_array_equal(store.read("depth"), depth[:, 0])
    with pytest.raises(InputError, match=r"depth is .step, height, width"):
        depth_images(np.ones((3, 4)), "here")


def coloured(low: float, high: float) -> np.ndarray:
    clouds = RNG.uniform(low, high, (20, 8, 6))
    clouds[0, 0, 3:], clouds[0, 1, 3:] = low, high
    return clouds.astype(np.float32)


@pytest.mark.parametrize("over", [1.0001, 1.02, 1.05])
def test_one_colour_a_little_over_1_leaves_the_scale(over: float) -> None:
    clouds = coloured(0, 1)
    clouds[-1, -1, 5] = over
    scale = colour_scale(np.array_split(clouds, 3))
    kept = cleaned(clouds, count=None, colour=None, scale=scale, where="here")
    assert (scale, kept[..., 3:].max()) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("clouds", "full"),
    [
        (coloured(0, 255), 255.0),
        (coloured(0, 3), 255.0),  # Dark, but most of it above 1.
        (np.rint(coloured(0, 2)), 255.0),  # Whole numbers: very dark bytes.
        (coloured(0, 0.01), 1.0),
        (np.rint(coloured(0, 1)), 1.0),
        (coloured(0, 1)[..., :3], 1.0),
    ],
)
def test_the_spread_of_all_tells_the_scale(clouds: np.ndarray, full: float) -> None:
    assert colour_scale([clouds]) == full


@pytest.mark.parametrize(
    "colours", [coloured(-1, 1), coloured(0, 600), np.where(coloured(0, 1) > 0.99, 9, 0.5)]
)
def test_colours_of_no_known_scale_are_refused(colours: np.ndarray) -> None:
    with pytest.raises(InputError, match="neither 0 to 1 nor 0 to 255; scale them, or"):
        colour_scale([colours])


def test_what_was_decided_is_said_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clouds = np.resize(coloured(0, 1), (STEPS, 8, 6))
    clouds[5, 2, 4] = 1.02
    source = write(tmp_path / "theirs.zarr", point_cloud=clouds, img=KINDS["0 to 1"])
    with caplog.at_level("INFO"):
        store = as_store(source, tmp_path / "ours.zarr", "task=mine", "images=[img]")
    assert "to 1.02 and count as 0 to 1; what overshoots is clipped" in caplog.text
    said = store.attributes["conversion"]
    assert said["full_colour"] == 1.0
    assert said["pictures"]["img"] == "float32, HWC, 3 channels, 1 is full colour"
    assert EpisodeStore.open(store.path).read("point_cloud")[..., 3:].max() <= 1
