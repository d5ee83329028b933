"""Pages and players: text is text, numbers are readable, everything is in the picture."""

from pathlib import Path

import numpy as np

from perception.camera import Pinhole, project
from visualizer import pages
from visualizer.film import Film
from visualizer.viewpoint import stand_back


def test_text_is_escaped_wherever_it_stands() -> None:
    evil = '<script>alert("1 & 2")</script>'
    parts = [
        pages.heading(evil),
        pages.paragraph(evil),
        pages.table([evil], [[evil]]),
        pages.facts({evil: evil}),
        pages.figure(b"", evil),
        pages.framed(pages.text(evil), evil),
        pages.subheading(evil),
    ]
    written = pages.page(evil, parts)
    assert "<script" not in written
    assert written.count("&lt;script&gt;") >= 9


def test_sections_are_listed_where_there_are_several() -> None:
    sections = [pages.heading(name) for name in ("a & b", "c", "d")]
    written = pages.page("x", sections)
    assert '<li><a href="#part-1">a &amp; b</a></li>' in written
    assert written.count("<h2 id=") == written.count("<li>") == 3
    assert "<nav" not in pages.page("x", sections[:2])


def test_many_videos_are_shown_at_once_the_lost_ones_too(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a")
    tiles = [pages.Tile(tmp_path / "a.mp4", "<won>", good) for good in (True, False)]
    written = pages.tiles(tiles)
    assert written.count("data:video/mp4;base64,YQ==") == 2
    assert [written.count(f'class="{kind}"') for kind in ("good", "bad")] == [1, 1]
    assert "&lt;won&gt;" in written


def test_numbers_are_written_for_people() -> None:
    written = pages.table(["a"], [[1234567, 0.123456, True]])
    assert ">1,234,567<" in written
    assert ">0.1235<" in written
    assert ">yes<" in written


def test_everything_is_seen_from_where_we_stand() -> None:
    points = np.random.default_rng(0).uniform([-0.5, 0, 0], [0.2, 1, 0.4], (500, 3))
    view = stand_back(points)
    pixels, depth_m = project(points, view.camera((200, 200)))
    assert (depth_m > 0).all()
    assert ((pixels > 0) & (pixels < 199)).all()
    pole = view.target + np.array([[0, 0, 0], [0, 0, 0.1]])
    up, _ = project(pole, view.camera((200, 200)))
    assert up[1, 1] < up[0, 1]  # What is higher in the world is higher in the picture.
    np.testing.assert_allclose(up[:, 0], up[0, 0])


def test_points_with_colour_keep_it() -> None:
    clouds = np.random.default_rng(0).uniform(size=(2, 5, 6)).astype(np.float32)
    camera = Pinhole.from_fovy(45, (8, 6), world_from_camera=np.eye(4))
    pictures = np.zeros((2, 6, 8, 3), np.uint8)
    path = np.array([[0.0, 0, 0], [0, 0, 1], [0, 1, 1]])
    film = Film(clouds, {"a": camera}, 10, pictures={"a": pictures}, paths=[path, None])
    np.testing.assert_allclose(film.colours / 255, clouds[..., 3:], atol=0.5 / 255 + 1e-6)
