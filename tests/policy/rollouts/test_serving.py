"""A planner behind a port: the same actions as in the simulator, whatever other clients do."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from clients.sodp_client import SodpClient, SodpError
from configs.command import compose
from datasets.cameras.frames import Frame
from datasets.cameras.listening import Listener
from policy.rollouts.seeing import load_seeing
from policy.rollouts.server import ServeConfig, plan_server
from tests.conftest import ROOT
from tests.helpers.commands import refuse, start
from tests.helpers.small_planner import quick_planner
from tests.policy.rollouts.camera_frames import Filmed, film, of_one_camera, saved
from tests.policy.rollouts.hostile import HOSTILE, request, sent

SEED = 7
TOKEN = "what-nobody-guesses"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("run"))[0]


@pytest.fixture(scope="module")
def filmed(run: Path) -> Filmed:
    _, view = load_seeing(run)
    env = saved(run)[1]
    assert env.view == view
    return film(quick_planner(), env, SEED)


def serving(run: Path, *overrides: str, token: str | None = None) -> Listener:
    config = compose(ServeConfig, "cameras/serve", ["port=0", *overrides])
    return plan_server(*load_seeing(run), config, token)


@pytest.fixture(scope="module")
def server(run: Path) -> Iterator[Listener]:
    with serving(run, "clients=3", "message_mb=1", "idle_s=2") as server:
        yield server


def url(server: Listener) -> str:
    return f"ws://127.0.0.1:{server.port}"


def play(client: SodpClient, filmed: Filmed, change: Callable[[Frame], Frame]) -> None:
    for between, now, chunk in filmed.rounds():
        for frame in between:
            client.observe(**vars(change(frame)))
        np.testing.assert_array_equal(client.act(**vars(change(now)))[: len(chunk)], chunk)


def test_a_camera_in_its_own_process_gets_the_actions_of_the_simulator(
    run: Path, filmed: Filmed, tmp_path: Path
) -> None:
    frames = [of_one_camera(frame) for frame in filmed.frames]
    parts = ("depth", "intrinsics", "world_from_camera", "robot_state")
    arrays = {part: np.stack([getattr(frame, part) for frame in frames]) for part in parts}
    plans = np.cumsum([0, *(len(chunk) for chunk in filmed.chunks[:-1])])
    file = tmp_path / "episode.npz"
    np.savez(file, seed=SEED, plans=plans, **arrays)
    process = start("policy/rollouts/serve.py", f"checkpoint={run}", "port=0")
    assert process.stderr is not None
    line = next(line for line in process.stderr if "ws://" in line)
    place = line.split()[2].rstrip(";")
    camera = [sys.executable, str(Path(__file__).with_name("fake_camera.py")), place, str(file)]
    try:
        env = {**os.environ, "PYTHONPATH": str(ROOT / "clients")}
        subprocess.run(camera, cwd=tmp_path, env=env, check=True, timeout=120)
    finally:
        process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
    with np.load(file, allow_pickle=False) as done:
        chunks = done["chunks"]
    for chunk, planned in zip(filmed.chunks, chunks, strict=True):
        np.testing.assert_array_equal(planned[: len(chunk)], chunk)


def test_clients_have_episodes_of_their_own(server: Listener, filmed: Filmed) -> None:
    with SodpClient(url(server)) as one, SodpClient(url(server)) as other:
        assert one.info["cameras"] == ["top"]
        assert (one.info["history"], one.info["chunk"], one.info["actions"]) == (2, 3, 28)
        one.reset(SEED)
        other.reset(SEED + 1)
        first = filmed.frames[0]
        assert not np.array_equal(other.act(**vars(first)), filmed.chunks[0])
        play(one, filmed, lambda frame: frame)
        other.reset(SEED)
        play(other, filmed, of_one_camera)


def test_what_cannot_be_right_is_said_to_its_client_and_the_episode_goes_on(
    server: Listener, filmed: Filmed
) -> None:
    frame = filmed.frames[0]
    with SodpClient(url(server)) as client:
        client.reset(SEED)
        metres = of_one_camera(frame)
        for wrong, message in [
            (replace(metres, depth=np.asarray(metres.depth) * 1000), "these are millimetres"),
            (replace(metres, robot_state=frame.robot_state[:3]), r"24 real numbers"),
            (
                replace(frame, depth={"side": np.asarray(metres.depth)}),
                "depth is of the cameras side, and",
            ),
            (replace(metres, robot_state=np.array(["a"])), "dtype is one of"),
        ]:
            with pytest.raises(SodpError, match=message):
                client.act(**vars(wrong))
        play(client, filmed, lambda frame: frame)
        with pytest.raises(SodpError, match=r"came late: one of 0\.450 s"):
            client.observe(**vars(filmed.frames[2]))


def raw(server: Listener) -> ClientConnection:
    connection = connect(url(server), compression=None, proxy=None)
    connection.recv(timeout=10)
    return connection


def test_hostile_messages_are_answered_and_harm_nobody(server: Listener, filmed: Filmed) -> None:
    with SodpClient(url(server)) as client, raw(server) as enemy:
        client.reset(SEED)
        for message, said in HOSTILE:
            enemy.send(message)
            assert said in msgspec.msgpack.decode(enemy.recv(timeout=10))["error"]
        play(client, filmed, lambda frame: frame)


def test_a_message_that_is_too_large_ends_its_own_connection_alone(
    server: Listener, filmed: Filmed
) -> None:
    with SodpClient(url(server)) as client:
        with raw(server) as enemy:
            enemy.send(bytes(1_000_001))
            with pytest.raises(ConnectionClosed, match="1009"):
                enemy.recv(timeout=10)
        frame = of_one_camera(filmed.frames[0])
        large = replace(frame, depth=np.ones((480, 640), np.float32))
        with SodpClient(url(server)) as other, pytest.raises(SodpError, match="closed"):
            other.act(**vars(large))
        client.reset(SEED)
        play(client, filmed, lambda frame: frame)


def test_killed_and_silent_clients_give_their_places_back(server: Listener, filmed: Filmed) -> None:
    clients = [raw(server) for _ in range(3)]
    with pytest.raises(SodpError, match="all clients=3 places are taken"):
        SodpClient(url(server))
    half = request(depth={"": sent(np.ones((200, 200)))})
    clients[0].socket.sendall(b"\x82\xfe\xff\xff" + half[:999])  # In the middle of a message ...
    clients[0].socket.shutdown(socket.SHUT_RDWR)  # ... it is gone without a word.
    with pytest.raises(ConnectionClosed, match="silent for idle_s=2"):
        clients[1].recv(timeout=10)
    until = time.monotonic() + 20
    while True:
        try:
            with SodpClient(url(server)) as client:
                client.reset(SEED)
                play(client, filmed, lambda frame: frame)
                break
        except SodpError:
            assert time.monotonic() < until
            time.sleep(0.1)


def test_who_serves_other_machines_asks_for_a_token(run: Path, filmed: Filmed) -> None:
    with serving(run, token=TOKEN) as server:
        for wrong in (None, "", TOKEN + "!", "ü"):
            with pytest.raises(InvalidStatus, match="401"):
                SodpClient(url(server), wrong)
        shown = {"Authorization": f"Bearer {TOKEN}"}
        with pytest.raises(InvalidStatus, match="403"):  # A page in a browser of this machine.
            connect(url(server), additional_headers=shown, origin=Origin("http://a.example"))
        with SodpClient(url(server), TOKEN) as client:
            client.reset(SEED)
            play(client, filmed, lambda frame: frame)
    with pytest.raises(SodpError, match="closed"):  # It has ended.
        client.reset()


def test_what_cannot_be_served_is_refused(run: Path, tmp_path: Path) -> None:
    script, given = "policy/rollouts/serve.py", f"checkpoint={run}"
    assert "lets other machines in" in refuse(script, given, "host=0.0.0.0")
    token = tmp_path / "token"
    assert "cannot be read" in refuse(script, given, f"token_file={token}")
    token.write_text("short\n")
    assert "16 plain characters or more" in refuse(script, given, f"token_file={token}")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port={port} cannot be had" in refuse(script, given, f"port={port}")
