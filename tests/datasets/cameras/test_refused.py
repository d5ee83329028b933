"""What robots send that cannot be right is refused in words, and harms no other episode."""

import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from clients.sodp_client import SodpClient, SodpError
from configs.command import compose
from datasets.cameras.recording import RecordConfig, record
from datasets.episode import Episode
from datasets.store.store import EpisodeStore
from perception import sensors
from tests.datasets.cameras.streaming import Step, keys_of, of_one, recording, send, steps_of, tell
from tests.policy.rollouts.hostile import HOSTILE, request


@pytest.fixture(scope="module")
def film(tiny_store: Path) -> list[Step]:
    """Twelve steps of one camera."""
    return [of_one(step) for step in steps_of(tiny_store, 0)]


def mirrored(step: Step) -> np.ndarray:
    return np.asarray(step.frame["world_from_camera"] @ np.diag([-1.0, 1, 1, 1]))


WRONG: list[tuple[Callable[[Step], Step], str]] = [
    (lambda s: of_one(s, depth=s.frame["depth"] * 1000), "Camera top: .*these are millimetres"),
    (lambda s: of_one(s, world_from_camera=mirrored(s)), "Camera top: .*mirrors the world"),
    (lambda s: of_one(s, depth=np.zeros((84, 84))), "no pixel has a depth"),
    (lambda s: of_one(s, intrinsics=np.eye(3)), "K has its middle at"),
    (lambda s: of_one(s, robot_state=s.frame["robot_state"][:3]), "robot_state has 3 numbers"),
    (lambda s: of_one(s, robot_state=np.ones((2, 12))), r"robot_state must be .* of \(2, 12\)"),
    (lambda s: of_one(s, stamp=None), "stamp was given at the steps before"),
    (lambda s: of_one(s, depht=np.ones(3)), "unknown field `depht`"),
    (lambda s: replace(s, action=s.action[:0]), r"action must be 1 real .* of \(0,\)"),
    (lambda s: replace(s, action=s.action[:5]), "action has 5 numbers, and 28"),
    (lambda s: replace(s, action=np.full(28, np.nan)), r"action\[0\] is nan"),
    (lambda s: replace(s, reward=float("nan")), "reward is nan"),
    (lambda s: replace(s, reward=None), "reward was given at the steps before"),
    (lambda s: replace(s, success=None), "success was given at the steps before"),
    (lambda s: of_one(s, stamp=s.frame["stamp"] - 1), r"came late: one of 0\.100 s"),
    (lambda s: of_one(s, stamp=s.frame["stamp"] + 9), r"dropped, .*hole; begin\(\) anew"),
]


def test_a_step_that_cannot_be_right_is_refused_and_the_episode_goes_on(
    tiny_store: Path, film: list[Step], tmp_path: Path
) -> None:
    out = tmp_path / "mine.zarr"
    with recording(tiny_store, out, "steps=12") as (place, _, _), SodpClient(place) as robot:
        with pytest.raises(SodpError, match="No episode was begun"):
            tell(robot, film[0])
        robot.begin()
        with pytest.raises(SodpError, match="no steps"):
            robot.end()
        for step in film[:3]:
            tell(robot, step)
        for change, message in WRONG:
            with pytest.raises(SodpError, match=message):
                tell(robot, change(film[3]))
        for step in film[3:]:
            tell(robot, step)
        with pytest.raises(SodpError, match="steps=12 already"):
            tell(robot, of_one(film[-1], stamp=0.6))
        with pytest.raises(SodpError, match="leave it out of end"):
            robot.end(success=True)
        assert robot.end() == 0
    store, source = EpisodeStore.open(out), EpisodeStore.open(tiny_store)
    np.testing.assert_array_equal(store.read_episode(0).points, source.read_episode(0).points)
    refused = len(WRONG) - 3 + 1  # The misspelt one was no request; one was a step too many.
    assert store.attributes["refused"] == {"late": 1, "dropped": 1, "refused": refused}


def test_the_first_episode_decides_for_those_after_it(
    tiny_store: Path, film: list[Step], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sensors._say_millimetres.cache_clear()
    out = tmp_path / "mine.zarr"
    with recording(tiny_store, out) as (place, _, _), SodpClient(place) as robot:
        send(robot, film)
        wide = np.kron(film[0].frame["depth"], np.ones((2, 2)))
        twice = np.diag([2, 2, 1]) @ film[0].frame["intrinsics"]
        robot.begin()
        with pytest.raises(SodpError, match=r"168 x 168 .* and were 84 x 84 .* another out="):
            tell(robot, of_one(film[0], depth=wide, intrinsics=twice))
        millimetres = np.rint(1000 * film[0].frame["depth"]).astype(np.uint16)
        with caplog.at_level(logging.INFO):
            for stamp in (0.0, 0.1):
                frame = {**film[0].frame, "depth": millimetres, "distortion": np.zeros(5)}
                robot.record({**frame, "stamp": stamp}, film[0].action, reward=np.float32(0))
            with pytest.raises(SodpError, match="success was given in the episodes before"):
                robot.end()
            assert robot.end(success=np.True_) == 1
            robot.begin()
            tell(robot, film[0])
            robot.begin()  # Without end().
    assert caplog.text.count("taken as millimetres") == 1
    assert "an episode of 1 steps was not ended, and is dropped" in caplog.text
    store = EpisodeStore.open(out)
    assert store.read("success").tolist() == [*(s.success for s in film), False, True]
    inside = store.read("points_in_box")
    assert abs(int(inside[12, 0]) - int(inside[0, 0])) < 0.02 * inside[0, 0]


def test_hostile_and_huge_messages_harm_nobody(
    tiny_store: Path, film: list[Step], tmp_path: Path
) -> None:
    out = tmp_path / "mine.zarr"
    with recording(tiny_store, out, "message_mb=1") as (place, _, _), SodpClient(place) as robot:
        robot.begin()
        tell(robot, film[0])
        with connect(place, compression=None, proxy=None) as enemy:
            enemy.recv(timeout=10)
            others = [message for message, said in HOSTILE if said == "This is no request"]
            for message in ["text", *others, request(), request(kind="step")]:
                enemy.send(message)
                assert "error" in msgspec.msgpack.decode(enemy.recv(timeout=10))
            enemy.send(bytes(1_000_001))
            with pytest.raises(ConnectionClosed, match="1009"):
                enemy.recv(timeout=10)
        for step in film[1:]:
            tell(robot, step)
        assert robot.end() == 0
    store, source = EpisodeStore.open(out), EpisodeStore.open(tiny_store)
    np.testing.assert_array_equal(store.read("point_cloud"), source.read_episode(0).points)


def test_robots_that_vanish_lose_their_own_episode_alone(
    tiny_store: Path, film: list[Step], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "mine.zarr"
    with recording(tiny_store, out) as (place, _, _):
        with SodpClient(place) as robot:
            robot.begin()
            for step in film[:5]:
                tell(robot, step)
            robot._connection.socket.shutdown(socket.SHUT_RDWR)  # It is gone without a word.
        robots = [SodpClient(place) for _ in range(3)]
        sending = [threading.Thread(target=send, args=(robot, film)) for robot in robots]
        for thread in sending:
            thread.start()
        for thread in sending:
            thread.join()
        robots[0].begin()
        tell(robots[0], film[0])
    for steps in (5, 1):  # The second one's robot was there when the recording ended.
        assert f"an episode of {steps} steps was not ended, and is dropped" in caplog.text
    store = EpisodeStore.open(out)
    assert (store.episodes, store.attributes["refused"]) == (3, {"unfinished": 2})
    first = store.read_episode(0).points
    for episode in range(1, 3):
        np.testing.assert_array_equal(store.read_episode(episode).points, first)


def test_a_full_disk_ends_the_recording_and_keeps_what_is_whole(
    tiny_store: Path, film: list[Step], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = EpisodeStore.append
    said: list[str] = []

    def fill_up(store: EpisodeStore, episode: Episode) -> None:
        if store.episodes:
            raise OSError(28, "No space left on device")
        append(store, episode)

    def robot() -> None:
        with client_of(port) as own:
            send(own, film)
            try:
                send(own, film)
            except SodpError as error:
                said.append(str(error))

    monkeypatch.setattr(EpisodeStore, "append", fill_up)
    out, port = tmp_path / "mine.zarr", free_port()
    given = [*keys_of(tiny_store), f"out={out}", f"port={port}"]
    thread = threading.Thread(target=robot)
    thread.start()
    with pytest.raises(OSError, match="keeps its 1 whole episodes; the same command goes on"):
        record(compose(RecordConfig, "cameras/record", given))
    thread.join()
    assert said == [
        "The recording ends, this machine cannot go on: [Errno 28] No space left on device"
    ]
    assert EpisodeStore.open(out).episodes == 1


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def client_of(port: int) -> SodpClient:
    """Connect as soon as somebody listens."""
    until = time.monotonic() + 60
    while True:
        try:
            return SodpClient(f"ws://127.0.0.1:{port}")
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.1)
