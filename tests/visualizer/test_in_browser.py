"""Every kind of page in a real browser: wide and narrow, light and dark, and its films in step."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import imageio.v3 as iio
import pytest

from clients.sodp_client import SodpClient
from configs.command import compose
from datasets.cameras.checks.check_page import write_check_page
from datasets.cameras.recording import Recorded
from datasets.cameras.sight import LookConfig, look
from datasets.cards.viewer import view as view_data
from datasets.store.store import EpisodeStore
from policy.planner.checkpoint import load_policy, save_planner
from policy.reports.report_builder import ReportConfig, report
from policy.rollouts.evaluation import Evaluation
from policy.rollouts.evaluation_file import write_evaluation
from policy.rollouts.loading import Loaded
from policy.runs.run import Run
from policy.viewing.failures_page import write_failures
from policy.viewing.recorded_page import recorded_parts
from policy.viewing.run_page import write_run_page
from policy.viewing.viewer import view as view_rollout
from tests.conftest import task_config
from tests.datasets.cameras.streaming import recording, send, steps_of
from tests.datasets.cards.test_view import data_config
from tests.helpers.small_planner import SHORT, quick_planner
from tests.policy.reports.test_report import PAPER, put_run
from tests.policy.viewing.test_rollout_page import rollout_config
from tests.visualizer.browser import Browser, browsing, find_chromium
from visualizer import pages

Written = Callable[[Path, Path], Path]  # From a folder and a store to a page.

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no Chromium on this machine")

LOST = Evaluation((False,), (False,), (0.0,), (3,), (12,), (False,))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find_chromium()
    assert program is not None
    with browsing(program, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def put_checkpoint(folder: Path, stage: str = "finetune") -> Path:
    path = folder / "checkpoints" / f"{stage}.safetensors"
    save_planner(quick_planner(), path, {"task": "adroit-door", "stage": stage, "seed": 0})
    return path


def rollout_page(folder: Path, store: Path, episodes: int = 2) -> Path:
    page = folder / "rollout.html"
    size = {"episodes": episodes, "size": (160, 120), "out": page}
    view_rollout(rollout_config(put_checkpoint(folder), **size))
    return page


def failures_page(folder: Path, store: Path) -> Path:
    env = task_config("adroit-door", *SHORT)
    return write_failures(Loaded(quick_planner(), {}, env), LOST, folder, count=1)


def run_page(folder: Path, store: Path) -> Path:
    run = Run(folder / "run", {"stores": [str(store)]})
    for stage in ("pretrain", "finetune"):
        put_checkpoint(run.path, stage)
        write_evaluation(run.path, stage, LOST)
        (run.path / f"{stage}.jsonl").write_text('{"step": 1, "pretrain/loss": 0.5}\n')
    return write_run_page(run, task_config("adroit-door", *SHORT), store, load_policy)


def store_page(folder: Path, store: Path) -> Path:
    view_data(data_config(store, out=str(folder / "store.html")))
    return folder / "store.html"


def check_page(folder: Path, store: Path) -> Path:
    out, page = folder / "mine.zarr", folder / "check.html"
    with recording(store, out) as (place, recorder, config):
        with SodpClient(place) as robot:
            robot.begin()
            send(robot, steps_of(store, 0))
        newest = recorder.newest
    write_check_page(out, config.view, Recorded(1, newest), page)
    return page


def look_page(folder: Path, store: Path) -> Path:
    page = folder / "look.html"
    look(compose(LookConfig, "cameras/look", ["camera=[top]", "points=64", f"out={page}"]))
    return page


def data_page(folder: Path, store: Path) -> Path:
    parts = recorded_parts(
        quick_planner(), EpisodeStore.open(store), episodes=1, frames_per_second=20
    )
    (folder / "data.html").write_text(pages.page("beside its data", parts))
    return folder / "data.html"


def results_page(folder: Path, store: Path) -> Path:
    for variant, successes in (("pretrained", 8), ("bc", 14)):
        put_run(folder, f"adroit-images/adroit-door/{variant}", 0, successes)
    report(ReportConfig(folder, PAPER, None))
    return folder / "report.html"


WRITTEN: dict[str, tuple[Written, int]] = {  # How a page is written, and its films.
    "rollout": (rollout_page, 2),
    "failures": (failures_page, 1),
    "run": (run_page, 2),
    "store": (store_page, 3),
    "check": (check_page, 1),
    "look": (look_page, 1),
    "data": (data_page, 1),
    "results": (results_page, 0),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_nothing_is_wider_than_the_window_by_day_and_night(
    kind: str, browser: Browser, tiny_store: Path, tmp_path: Path
) -> None:
    write, films = WRITTEN[kind]
    page = write(tmp_path, tiny_store)
    assert browser.open(page.as_uri()), "a film is not ready"
    assert browser.run("document.querySelectorAll('.film').length") == films
    for width, dark in ((1400, False), (700, False), (700, True), (1400, True)):
        browser.shape(width=width, dark=dark)
        widths = browser.widths()
        assert (widths.page, widths.parts) == (widths.window, []), (width, dark)
        png = browser.screenshot()
        (tmp_path / f"{kind}-{width}-{'dark' if dark else 'light'}.png").write_bytes(png)
        picture = iio.imread(io.BytesIO(png))[..., :3]
        assert picture.shape[1] == width
        assert picture.std() > 5
        corner = picture[:8, :8].mean()
        assert corner < 60 if dark else corner > 240
    assert browser.errors == []


LOOKS = """
(() => {
  const film = document.querySelector(".film"), player = film.player;
  const [picture, cloud] = [".beside canvas", ".stage > canvas"].map((name) =>
    film.querySelector(name).toDataURL());
  const marks = player.film.marks.map((mark) => mark.name);
  return {step: player.status.textContent.split(" ")[1], picture, cloud, marks};
})()
"""


def test_one_slider_moves_cloud_picture_and_video(
    browser: Browser, tiny_store: Path, tmp_path: Path
) -> None:
    page = rollout_page(tmp_path, tiny_store, episodes=1)
    assert browser.open(page.as_uri())
    first = browser.run(LOOKS)
    assert (first["step"], first["marks"]) == ("0", ["object", "goal"])
    move = "const slider = document.querySelector('.film input[type=range]');"
    browser.run(f"(() => {{ {move} slider.value = 11; slider.oninput(); }})()")
    browser.wait_for(
        "Math.abs(document.querySelector('.film video').currentTime - 11.5 / 20) < 0.02"
    )
    browser.wait_for("!document.querySelector('.film').player.waiting")
    later = browser.run(LOOKS)
    assert later["step"] == "11"
    for name in ("picture", "cloud"):
        assert first[name] != later[name]


def test_played_to_its_end_it_stops_there_and_both_of_a_pair_move(
    browser: Browser, tiny_store: Path, tmp_path: Path
) -> None:
    page = run_page(tmp_path, tiny_store)
    assert browser.open(page.as_uri())
    browser.run("document.querySelector('.film button').onclick()")
    steps = "[...document.querySelectorAll('.instep .film')].map((film) => film.player.index)"
    browser.wait_for(f"{steps}.join() === '12,12'")
    playing = "[...document.querySelectorAll('.film')].some((film) => film.player.playing)"
    browser.wait_for(f"!{playing}")
