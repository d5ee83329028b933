"""What is shown of a store: the numbers are right, and the files stand alone."""

import json
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from configs.build import build
from datasets.cards import store_plots
from datasets.cards.card import make_card, outcomes
from datasets.cards.sizes import folder_bytes
from datasets.cards.viewer import ViewDataConfig, chosen, make_film
from datasets.cards.viewer import view as view_data
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from tests.helpers.commands import succeed
from tests.helpers.pictures import FETCHED, assert_varied
from visualizer import plots


def data_config(store: Path, **changes: object) -> ViewDataConfig:
    values = {"episode": None, "format": "html", "out": None, "frames_per_second": 20}
    return build(ViewDataConfig, {"data": str(store), **values, **changes})


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
    assert card["identity"]["behaviour"]["kind"] == "state_agent"
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
    assert written.count('<div class="film">') == 1
    assert '"names":[]' in written  # A store does not say what points lie on.
    assert_varied(out.with_suffix(".png").read_bytes())


def test_a_film_has_the_camera_of_the_store(tiny_store: Path) -> None:
    store = EpisodeStore.open(tiny_store)
    film = make_film(store.read_episode(0), store, 20)
    camera = film.cameras["top"]
    assert (camera.width, camera.height) == (84, 84)
    np.testing.assert_allclose(camera.intrinsics, store.attributes["cameras"]["top"]["intrinsics"])
    assert len(film.clouds) == len(film.colours) == 12


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
