"""What a film's part of a page holds is the film: unpacked again, all is where it was."""

import base64
import io
import json
import re
import zlib
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np

from perception.camera import Pinhole, unproject
from perception.point_cloud import Box
from visualizer import film_part as packing
from visualizer.film import Film, LiesOn
from visualizer.film_part import film_part

POSE = np.array([[1.0, 0, 0, 0.1], [0, -1, 0, 0.2], [0, 0, -1, 2], [0, 0, 0, 1]])
CAMERA = Pinhole.from_fovy(45, (32, 24), world_from_camera=POSE)


def made_film(frames: int = 3, **changes: Any) -> Film:  # noqa: ANN401 (of a film, any)
    rng = np.random.default_rng(0)
    clouds = rng.uniform([-0.5, 0, 0], [0.2, 1, 0.4], (frames, 40, 3)).astype(np.float32)
    return Film(clouds, {"above": CAMERA}, 20, **changes)


def read(part: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json">(.*?)</script>', part)
    assert found is not None
    said: dict[str, Any] = json.loads(found[1])
    return said


def words(packed: str) -> np.ndarray:
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.uint8).reshape(2, -1)
    return planes[0] + 256 * planes[1].astype(np.uint16)


def test_clouds_come_back_to_a_fraction_of_a_millimetre() -> None:
    film = made_film()
    said = read(film_part(film))
    points = np.array(said["low"]) + np.array(said["step"]) * words(said["xyz"]).reshape(-1, 3)
    np.testing.assert_allclose(points, film.clouds.reshape(-1, 3), atol=2e-4)
    assert (said["frames"], said["points"], said["rate"]) == (3, 40, 20)


def test_depth_comes_back_in_millimetres_and_lifts_to_the_same_points() -> None:
    depths_m = np.random.default_rng(1).uniform(1.5, 2.2, (3, 24, 32))
    depths_m[:, 0, 0] = 0
    depths_m[:, 1, 1] = 50  # Far behind: left out.
    said = read(film_part(made_film(depths_m={"above": depths_m})))
    (camera,) = said["cameras"]
    kept = np.cumsum(words(camera["depth_mm"]).reshape(3, 24, 32), axis=0, dtype=np.uint16)
    expected = np.where(depths_m > 40, 0, depths_m)
    np.testing.assert_allclose(kept / 1000, expected, atol=6e-4)
    fx, fy, cx, cy = camera["lens"]
    z, (v, u) = kept[2] / 1000, np.mgrid[:24, :32]
    seen = np.stack([(u - cx) / fx * z, (v - cy) / fy * z, z, np.ones_like(z)], axis=-1)
    lifted = (seen @ np.array(camera["pose"]).T)[z > 0]
    np.testing.assert_allclose(lifted, unproject(expected[2], CAMERA), atol=2e-3)


def test_pictures_lie_side_by_side_on_one_sheet() -> None:
    shades = np.array([30, 120, 220], np.uint8)
    pictures = np.broadcast_to(shades[:, None, None, None], (3, 24, 32, 3))
    (camera,) = read(film_part(made_film(pictures={"above": pictures})))["cameras"]
    sheet = iio.imread(io.BytesIO(base64.b64decode(camera["sheet"].partition(",")[2])))
    assert (camera["tile"], camera["columns"], sheet.shape[:2]) == ([32, 24], 2, (48, 64))
    middles = [sheet[12, 16, 0], sheet[12, 48, 0], sheet[36, 16, 0]]
    np.testing.assert_allclose(middles, shades, atol=6)


def test_paths_marks_roles_and_the_box_are_told() -> None:
    path = np.array([[0.0, 0, 0], [0, 0, 1]])
    goal = np.array([[0.1, 0.2, 0.3]] * 3)
    roles = np.arange(120, dtype=np.uint8).reshape(3, 40) % 2
    film = made_film(
        paths=[path, path, None],
        marks={"goal": goal},
        lies_on=LiesOn(("the rest", "hand"), roles),
        numbers={"reward": np.array([0.5, 1.23456], np.float32)},
        box=Box((-1, -1, -1), (1, 1, 1)),
    )
    said = read(film_part(film, "<caption>"))
    assert (said["held"], said["paths"]) == ([0, 0, 1], [path.tolist(), None])
    assert said["marks"][0]["places"] == goal.tolist()
    kept = np.frombuffer(zlib.decompress(base64.b64decode(said["roles"])), np.uint8)
    np.testing.assert_array_equal(kept, roles.ravel())
    assert [name["name"] for name in said["names"]] == ["the rest", "hand"]
    assert said["numbers"] == {"reward": ["0.5", "1.23"]}
    assert len(said["edges"]) == 12
    assert "&lt;caption&gt;" in film_part(film, "<caption>")


def test_a_long_film_and_large_pictures_are_thinned_out() -> None:
    said = read(film_part(made_film(2 * packing.FRAMES + 1)))
    assert said["frames"] <= packing.FRAMES
    assert said["steps"][:2] == [0, 3]
    large = np.zeros((3, 2 * packing.PICTURE_PX, 400, 3), np.uint8)
    (camera,) = read(film_part(made_film(pictures={"above": large})))["cameras"]
    assert max(camera["tile"]) <= packing.PICTURE_PX


def test_a_video_is_inside_and_nothing_else_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a")
    assert "data:video/mp4;base64,YQ==" in film_part(made_film(), video=tmp_path / "a.mp4")
    assert "<video" not in film_part(made_film(), video=tmp_path / "missing.mp4")
