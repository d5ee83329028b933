"""What a robot's cameras send becomes the store that the simulator's own rendering gives."""

import logging
import signal
from pathlib import Path

import numpy as np
import pytest

from clients.sodp_client import SodpClient, SodpError
from datasets.cameras.checks.check_page import write_check_page
from datasets.cameras.recording import Recorded
from datasets.collection.collector import collect
from datasets.store.store import EpisodeStore
from policy.rollouts.actor import Actor
from tests.conftest import collect_config
from tests.datasets.cameras.streaming import keys_of, place_of, recording, send, steps_of, tell
from tests.helpers.commands import refuse, start, succeed

RECORD = "datasets/cameras/record.py"
SENT = ("point_cloud", "state", "action", "reward", "success")


def test_the_store_is_that_of_the_simulators_own_rendering_also_after_a_kill(
    tiny_store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "mine.zarr"
    given = [*keys_of(tiny_store), f"out={out}", "episodes=4"]
    record_until_killed(tiny_store, given)
    assert EpisodeStore.open(out).episodes == 2
    assert "view.points: 64 -> 32" in refuse(RECORD, *given, "points=32")
    again = start(RECORD, *given)
    with SodpClient(place_of(again)) as robot:
        sizes = [robot.info[name] for name in ("episodes", "robot_state", "actions")]
        assert sizes == [2, 24, 28]
        for episode in (2, 3):
            assert send(robot, steps_of(tiny_store, episode)) == episode
    said = again.communicate(timeout=120)[1]
    assert again.wait(timeout=120) == 0, said
    page = tmp_path / "mine-check.html"
    assert said.splitlines()[-1] == f"look at {page}"
    assert "fewer than points" not in page.read_text()
    theirs, ours = (EpisodeStore.open(path) for path in (tiny_store, out))
    for name in SENT:
        assert theirs.read(name).dtype == ours.read(name).dtype
        np.testing.assert_array_equal(ours.read(name), theirs.read(name), err_msg=name)
    np.testing.assert_array_equal(ours.episode_ends, theirs.episode_ends)
    own, cameras = theirs.attributes["cameras"]["top"], ours.attributes["cameras"]
    assert cameras == {"top": {**own, "size": [84, 84]}}
    assert ours.identity["recorded_from"] == "cameras"
    assert "sim_state" not in ours.names


def record_until_killed(source: Path, given: list[str]) -> None:
    """Record two episodes and a bit of the third."""
    process = start(RECORD, *given)
    with SodpClient(place_of(process)) as robot:
        assert (robot.info["task"], robot.info["cameras"]) == ("my-hand", ["top"])
        for episode in range(2):
            assert send(robot, steps_of(source, episode)) == episode
        assert "Another process is writing" in refuse(RECORD, *given)
        robot.begin()
        tell(robot, next(steps_of(source, 2)))
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=60) == -signal.SIGKILL
        with pytest.raises(SodpError, match="closed"):
            robot.end()


def test_several_cameras_colour_and_kept_pictures_come_back_as_they_were(tmp_path: Path) -> None:
    source, out = tmp_path / "two.zarr", tmp_path / "mine.zarr"
    view = ("cameras=[top,vil_camera]", "images=[img,depth]")
    collect(collect_config(source, *view, episodes=1))
    film = list(steps_of(source, 0, colour=True))
    with recording(source, out, "images=[img,depth]") as (place, recorder, config):
        with SodpClient(place) as robot:
            robot.begin()
            with pytest.raises(SodpError, match=r"images=\[img\] keeps pictures"):
                robot.record({**film[0].frame, "colour": None}, film[0].action)
            with pytest.raises(SodpError, match=r"has 2 cameras \(top, vil_camera\)"):
                robot.record({**film[0].frame, "depth": np.ones((84, 84))}, film[0].action)
            send(robot, film)
        newest = recorder.newest
    theirs, ours = EpisodeStore.open(source), EpisodeStore.open(out)
    names = ["point_cloud", *(f"{k}_{c}" for k in ("img", "depth") for c in ("top", "vil_camera"))]
    for name in names:
        np.testing.assert_array_equal(ours.read(name), theirs.read(name), err_msg=name)
    inside, seen = ours.read("points_in_box"), ours.read("points_seen")
    assert inside.shape == seen.shape == (12, 2)
    assert ((inside > 0) & (inside < seen)).all()
    assert ours.read("world_from_camera").shape == (12, 2, 4, 4)
    page = tmp_path / "page.html"
    for came in (Recorded(1, newest), Recorded(1, None)):  # Of this session; of what is kept.
        write_check_page(out, config.view, came, page)
        assert page.read_text().count("<img") == 2


def test_a_planner_learns_from_it_and_acts_as_it_was_seen(
    tiny_store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out, run = tmp_path / "mine.zarr", tmp_path / "run"
    film = list(steps_of(tiny_store, 0))
    with recording(tiny_store, out) as (place, _, config), SodpClient(place) as robot:
        send(robot, film)
    small = ("denoiser=mlp", "pretrain.steps=2", "pretrain.batch=8", "workers=0", "threads=1")
    said = succeed("policy/train.py", f"data={out}", f"out={run}", "stage=pretrain", *small)
    assert "no simulator for task my-hand" in said
    with caplog.at_level(logging.WARNING):
        actor = Actor.load(run)
    assert actor.view == config.view
    assert actor.act(**film[0].frame).shape == (3, 28)
    assert not caplog.records


def test_what_cannot_be_recorded_is_refused(tmp_path: Path) -> None:
    box = ("crop_low=[0,0,0]", "crop_high=[1,1,1]", f"out={tmp_path / 'a.zarr'}", "port=0")
    assert "Missing key task" in refuse(RECORD, *box)
    assert "Missing key crop_low" in refuse(RECORD, "task=a", *box[1:])
    for wrong, message in [
        ("crop_high=[0,1,1]", "must lie below"),
        ("crop_high=[1,1,9]", "Points beyond 5.9 m need error_mm=0"),
        ("cameras=[]", "must name at least one"),
        ("cameras=[a,a]", "must be different ones"),
        ("host=0.0.0.0", "lets other machines in"),
    ]:
        assert message in refuse(RECORD, "task=a", *box, wrong)
    assert not (tmp_path / "a.zarr").exists()
