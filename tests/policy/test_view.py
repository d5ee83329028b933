"""What is shown of data and planners: the numbers are right, and the files stand alone."""

import io
import json
import re
import sys
from dataclasses import fields, replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from configs.build import build
from configs.command import compose_part
from datasets.cards import store_plots
from datasets.cards.card import folder_bytes, make_card, outcomes
from datasets.cards.viewer import ViewDataConfig, chosen, make_film
from datasets.cards.viewer import view as view_data
from datasets.store.store import EpisodeStore
from envs.vector.chunked_env import ChunkedTask
from envs.vector.vector_env import Shapes, VectorEnv
from perception.camera import Pinhole, project
from perception.errors import InputError
from policy.planner.checkpoint import save_planner
from policy.planner.denoisers.unet import Config as UnetConfig
from policy.planner.planner import Planner, PlannerConfig, Sizes
from policy.rollouts.episode import Plan, Played, paths, planned_path, play, upright
from policy.rollouts.evaluation import evaluation_seeds
from policy.rollouts.rollout import roll_out
from policy.viewing.viewer import ViewRolloutConfig, run_folder
from policy.viewing.viewer import view as view_rollout
from tests.conftest import task_config
from tests.helpers.commands import succeed
from visualizer import pages, plots
from visualizer.player import Film, as_html
from visualizer.viewpoint import stand_back

SHORT = ("env.episode_steps=12", "env.view.points=64")
FETCHED = re.compile(
    r"<(script|link|img|iframe|video|source)[^>]+(src|href)\s*=\s*[\"']?(https?:)?//"
)


def make_planner(actions: int = 28) -> Planner:
    torch.manual_seed(0)
    unet = compose_part(UnetConfig, "denoiser", "unet-small")
    config = PlannerConfig(
        history=2,
        horizon=4,
        chunk=3,
        prediction="noise",
        denoising_steps=10,
        sampling_steps=2,
        eta=1.0,
        spacing="trailing",
        denoiser=unet,
    )
    return Planner(config, Sizes(channels=3, robot_state=24, actions=actions)).eval()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "checkpoints" / "finetune.safetensors"
    save_planner(make_planner(), path, {"task": "adroit-door", "stage": "finetune", "seed": 0})
    return path


def rollout_config(checkpoint: Path, *overrides: str, **changes: object) -> ViewRolloutConfig:
    env = task_config("adroit-door", *SHORT, *overrides)
    plain = ViewRolloutConfig(
        env=env,
        checkpoint=checkpoint,
        out=None,
        seed=0,
        episodes=1,
        camera=None,
        size=(64, 48),
        frames_per_second=20.0,
        live=False,
        port=0,
    )
    return replace(plain, **changes)


def data_config(store: Path, **changes: object) -> ViewDataConfig:
    values = {"episode": None, "format": "html", "out": None, "frames_per_second": 20}
    return build(ViewDataConfig, {"data": str(store), **values, **changes})


# Pages


def test_text_is_escaped_wherever_it_stands() -> None:
    evil = '<script>alert("1 & 2")</script>'
    parts = [
        pages.heading(evil),
        pages.paragraph(evil),
        pages.table([evil], [[evil]]),
        pages.facts({evil: evil}),
        pages.figure(b"", evil),
        pages.embedded(evil),
    ]
    written = pages.page(evil, parts)
    assert "<script" not in written
    assert written.count("&lt;script&gt;") >= 9
    assert 'srcdoc="&lt;script&gt;alert(&quot;1 &amp; 2&quot;)' in written


def test_numbers_are_written_for_people() -> None:
    written = pages.table(["a"], [[1234567, 0.123456, True]])
    assert ">1,234,567<" in written
    assert ">0.1235<" in written
    assert ">yes<" in written


# Where to stand


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


# A store


def test_a_card_equals_a_count_by_hand(tiny_store: Path) -> None:
    store = EpisodeStore.open(tiny_store)
    card = make_card(store, outcomes(store))
    recordings = [store.read_episode(index).recording for index in range(4)]
    returns = sorted(sum(map(float, recording.rewards)) for recording in recordings)
    assert (card.task, card.episodes, card.steps, card.success_at) == ("adroit-door", 4, 48, "end")
    assert card.at_end == sum(bool(r.successes[-1]) for r in recordings)
    assert card.ever == sum(any(r.successes) for r in recordings)
    middle = (returns[1] + returns[2]) / 2
    np.testing.assert_allclose(card.return_quantiles[::2], [returns[0], middle, returns[3]])
    noises = sorted(r.provenance.noise for r in recordings)
    assert [(b.low, b.high, b.episodes) for b in card.noise_bands] == [(n, n, 1) for n in noises]
    shapes = {array.name: (array.shape, array.dtype) for array in card.arrays}
    assert shapes["point_cloud"] == ((48, 64, 3), "float32")
    assert shapes["success"] == ((48,), "bool")
    files = [p for p in (tiny_store / "data/point_cloud").iterdir() if p.is_file()]
    assert card.cloud_bytes == sum(len(p.read_bytes()) for p in files)
    assert card.stored_bytes == folder_bytes(tiny_store) > sum(a.stored_bytes for a in card.arrays)
    assert card.dp3_cloud_bytes == 48 * 64 * 24


def test_a_summary_is_printed_and_kept(tiny_store: Path, tmp_path: Path) -> None:
    kept = tmp_path / "cards" / "mixed.json"
    told = succeed("datasets/summary.py", f"data={tiny_store}", f"out={kept}")
    assert "adroit-door" in told
    assert "48 x 64 x 3" in told
    card = json.loads(kept.read_text())
    assert (card["episodes"], card["steps"]) == (4, 48)
    assert card["identity"]["behaviour"]["name"] == "agent"
    assert kept.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"


def test_the_best_the_median_and_the_worst_are_chosen(tiny_store: Path) -> None:
    known = outcomes(EpisodeStore.open(tiny_store))
    best, _, worst = chosen(known, None).values()
    assert best == known.returns.argmax()
    assert worst == known.returns.argmin()
    assert chosen(known, 2) == {"episode 2": 2}
    parts = {f.name: getattr(known, f.name) for f in fields(known)}
    alone = replace(known, **{n: v[:1] for n, v in parts.items() if isinstance(v, np.ndarray)})
    assert chosen(alone, None) == {"best: episode 0": 0}
    with pytest.raises(InputError, match="0 to 3"):
        chosen(known, 4)


def test_a_store_becomes_a_page_that_stands_alone(tiny_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "page" / "door.html"
    told = succeed("datasets/view.py", f"data={tiny_store}", "episode=1", f"out={out}")
    assert told.strip() == f"written to {out} and {out.with_suffix('.png')}"
    written = out.read_text()
    assert not FETCHED.search(written)
    assert written.count("srcdoc=") == 1
    assert "__VISER_EMBED_DATA__" in written
    assert_varied(out.with_suffix(".png").read_bytes())


def test_a_film_has_the_camera_of_the_store(tiny_store: Path) -> None:
    store = EpisodeStore.open(tiny_store)
    film = make_film(store.read_episode(0), store, 20)
    camera = film.cameras["top"]
    assert (camera.width, camera.height) == (84, 84)
    np.testing.assert_allclose(camera.intrinsics, store.attributes["cameras"]["top"]["intrinsics"])
    assert len(film.clouds) == len(film.colours) == 12


def test_points_with_colour_keep_it() -> None:
    clouds = np.random.default_rng(0).uniform(size=(2, 5, 6)).astype(np.float32)
    camera = Pinhole.from_fovy(45, (8, 6), world_from_camera=np.eye(4))
    pictures = np.zeros((2, 6, 8, 3), np.uint8)
    path = np.array([[0.0, 0, 0], [0, 0, 1], [0, 1, 1]])
    film = Film(clouds, {"a": camera}, 10, pictures={"a": pictures}, paths=[path, None])
    np.testing.assert_allclose(film.colours / 255, clouds[..., 3:], atol=0.5 / 255 + 1e-6)
    assert "__VISER_EMBED_DATA__" in as_html(film)


def test_without_rerun_its_extra_is_named(
    tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(InputError, match=r"\.\[rerun\]"):
        view_data(data_config(tiny_store, format="rerun", out=str(tmp_path / "a.rrd")))


def test_rerun_reads_what_is_written(tiny_store: Path, tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    out = tmp_path / "a.rrd"
    view_data(data_config(tiny_store, format="rerun", out=str(out)))
    assert out.read_bytes()[:4] in (b"RRF2", b"RRIO")


# Figures


@pytest.mark.parametrize("channels", [3, 6])
def test_figures_are_pictures_of_something(tiny_store: Path, channels: int) -> None:
    rng = np.random.default_rng(0)
    known = outcomes(EpisodeStore.open(tiny_store))
    clouds = rng.uniform(0, 1.0001, (2, 3, 50, channels)).astype(np.float32)
    clouds[0, 0, 0, -1] = 1.0001  # As a quantised store may have it.
    for png in (
        plots.episode_plot(rng.normal(size=20), rng.uniform(size=20) > 0.5),
        store_plots.profile_plot(known),
        plots.contact_sheet(clouds, ["one", "two"], ["start", "middle", "end"]),
    ):
        assert_varied(png)


def assert_varied(png: bytes) -> None:
    assert png.startswith(b"\x89PNG\r\n")
    picture = iio.imread(io.BytesIO(png))
    assert min(picture.shape[:2]) > 100
    assert picture[..., :3].std() > 5


# A planner at work


def test_a_played_episode_is_the_evaluated_one() -> None:
    env = rollout_config(Path()).env
    planner, (seed,) = make_planner(), evaluation_seeds(0, 1)
    played = play(planner, ChunkedTask(env, 2), seed)
    envs = VectorEnv(env, Shapes(envs=1, history=2, chunk=3), workers=0)
    rollout = roll_out(planner, envs, [seed], success_at="end")
    np.testing.assert_allclose(
        played.rewards.reshape(4, 3).sum(axis=1), rollout.rewards[:, 0], rtol=1e-6
    )
    assert played.succeeded("end") == bool(rollout.successes[0])
    assert [plan.step for plan in played.plans] == [0, 3, 6, 9]
    assert len(played.points) == len(played.scene_states) == 13


def test_a_planned_path_by_hand() -> None:
    # Right by 1, then right by half and up by 1; the gripper's number moves nothing. Centimetres.
    actions = np.array([[1, 0, 0, -1], [0.5, 0, 1, 1]], np.float32)
    path = planned_path(np.array([0.1, 0.6, 0.2], np.float32), actions, 1)
    expected = [[0.1, 0.6, 0.2], [0.11, 0.6, 0.2], [0.115, 0.6, 0.21]]
    np.testing.assert_allclose(path, expected, atol=1e-7)


def test_meta_world_moves_its_hand_where_the_path_says() -> None:
    task = ChunkedTask(task_config("metaworld-reach"), 2)
    task.reset(0)
    hand = task.simulator.robot_state()[:3]
    actions = np.tile(np.array([[1, -0.5, 0, 0]], np.float32), (10, 1))
    path = planned_path(hand, actions, 1)
    for action in (*actions, *np.zeros((10, 4), np.float32)):
        task.simulator.step(action)
    np.testing.assert_allclose(task.simulator.robot_state()[:3], path[-1], atol=0.01)


def test_each_frame_shows_the_plan_that_holds() -> None:
    meta_world = task_config("metaworld-reach")
    states = np.zeros((5, 9), np.float32)
    made = [(0, 1.0), (3, -1.0)]
    plans = [(step, np.full((2, 4), value, np.float32)) for step, value in made]
    played = make_played(states, plans)
    drawn = paths(played, meta_world)
    ends = [round(float(path[-1, 0]), 6) for path in drawn]
    assert ends == [0.02, 0.02, 0.02, -0.02, -0.02]
    assert paths(played, task_config("adroit-door")) == []


def make_played(states: np.ndarray, plans: list[tuple[int, np.ndarray]]) -> Played:
    frames = len(states)
    return Played(
        points=np.zeros((frames, 4, 3), np.float32),
        states=states,
        scene_states=np.zeros((frames, 2)),
        hands=np.zeros((frames, 3)),
        rewards=np.zeros(frames - 1),
        successes=np.zeros(frames - 1, bool),
        plans=tuple(Plan(step, actions) for step, actions in plans),
    )


def test_a_camera_that_hangs_upside_down_is_turned() -> None:
    pictures = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    turned = {}
    for down_z in (-1.0, 1.0):
        pose = np.eye(4)
        pose[2, 1] = down_z
        camera = Pinhole.from_fovy(45, (2, 2), world_from_camera=pose)
        turned[down_z] = upright(pictures, camera)
    np.testing.assert_array_equal(turned[-1.0], pictures)
    np.testing.assert_array_equal(turned[1.0][0, 0, 0], pictures[0, 1, 1])


def test_a_planner_becomes_a_page_and_a_video(checkpoint: Path) -> None:
    overrides = [*SHORT, "size=[64,48]", f"checkpoint={checkpoint}"]
    told = succeed("policy/view.py", *overrides)
    page = run_folder(checkpoint) / "rollout.html"
    assert f"written to {page}" in told
    written = page.read_text()
    assert not FETCHED.search(written)
    assert "joint targets" in written
    assert "data:video/mp4;base64," in written
    frames = iio.imread(page.with_suffix(".mp4"))
    assert frames.shape == (13, 48, 64, 3)
    assert frames.std() > 5


def test_each_of_several_episodes_has_its_video(checkpoint: Path, tmp_path: Path) -> None:
    view_rollout(rollout_config(checkpoint, episodes=2, out=tmp_path / "deep" / "two.html"))
    names = sorted(path.name for path in (tmp_path / "deep").iterdir())
    assert names == ["two-0.mp4", "two-1.mp4", "two.html"]


@pytest.mark.parametrize(
    ("overrides", "changes", "told"),
    [
        (("env.name=adroit-pen",), {}, "adroit-door"),
        (("env.view.colour=true",), {}, "channels=3"),
        ((), {"camera": "behind"}, "vil_camera"),
        ((), {"size": (63, 48)}, "even"),
        ((), {"episodes": 0}, "at least 1"),
        ((), {"checkpoint": Path("nowhere.safetensors")}, "train first"),
    ],
)
def test_what_does_not_fit_is_refused(
    checkpoint: Path,
    tmp_path: Path,
    overrides: tuple[str, ...],
    changes: dict[str, object],
    told: str,
) -> None:
    config = rollout_config(checkpoint, *overrides, out=tmp_path / "a.html")
    with pytest.raises(InputError, match=told):
        view_rollout(replace(config, **changes))
