"""The report says what the files under results/ say, beside the paper's numbers, and no more."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.errors import InputError
from policy.reports.bands import band
from policy.reports.paper import read_paper
from policy.reports.paths_and_chunks import embed, largest_spread
from policy.reports.result import Result
from policy.reports.result_tree import Variant, read_tree
from policy.reports.traces import Traces, read_traces
from policy.rollouts.evaluation import wilson
from tests.conftest import ROOT
from tests.helpers.commands import refuse, succeed

PAPER = ROOT / "results" / "paper.json"
MARKS = "".join(f"<!-- {n} -->\n<!-- /{n} -->\n" for n in ("results", "data", "benchmarks"))
PNG = b"\x89PNG"


def result(where: str, seed: int, successes: int, episodes: int = 20) -> Result:
    experiment, task, variant = where.split("/")
    low, high = wilson(successes, episodes)
    before = variant == "pretrained"
    return Result(
        experiment=experiment,
        task=task,
        variant=variant,
        seed=seed,
        stage="pretrain" if before else "finetune",
        episodes=episodes,
        successes=successes,
        success_rate=successes / episodes,
        wilson_low=low,
        wilson_high=high,
        top5_mean=None if before else 0.5 + seed / 10,
        mean_return=1.0,
        env_steps=100,
        gradient_steps=10,
        wall_time_s=1.0,
        command=f"python policy/train.py experiment={experiment} variant={variant} seed={seed}",
        config_sha256="x",
        source_commit=None,
        machine="m",
        date="2026-01-01",
    )


def put_run(root: Path, where: str, seed: int, successes: int) -> None:
    """Write a run as training does: its result, its metrics, and what its evaluation left."""
    path = result(where, seed, successes).write(root)
    rng = np.random.default_rng(seed + successes)
    if not where.endswith("pretrained"):
        lines = [
            {
                "step": 10 * i + seed,
                "finetune/success": i / 10,
                ("finetune/clip_fraction", "finetune/clipped")[seed % 2]: 0.1,  # Now, and before.
                "finetune/ratio": 1.0,
                "finetune/gradient_norm": 0.5,
                **({"evaluation/success": i / 10} if i % 2 else {}),
            }
            for i in range(1, 9)
        ]
        path.with_suffix(".jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    paths = rng.normal(size=(6, 15, 3)).cumsum(1).astype(np.float32)
    paths[0, 9:] = np.nan
    np.savez(
        path.with_suffix(".npz"),
        paths=paths,
        successes=rng.random(6) < 0.5,
        chunks=rng.normal(size=(30, 4, 3)).astype(np.float16),
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small tree of results, reported on by the command."""
    folder = tmp_path_factory.mktemp("report")
    results, readme = folder / "results", folder / "README.md"
    for task in ("adroit-door", "adroit-pen"):
        put_run(results, f"adroit-images/{task}/pretrained", 0, 8)
        for seed, successes in enumerate((14, 16, 18)):
            put_run(results, f"adroit-images/{task}/bc", seed, successes)
    put_run(results, "regularisers/metaworld-basketball/bc_only", 0, 4)
    put_run(results, "mine/adroit-door/fancy", 0, 20)
    readme.write_text(MARKS)
    succeed("policy/report.py", f"results={results}", f"readme={readme}", f"paper={PAPER}")
    return folder


class Page(HTMLParser):
    """Tables as lists of rows, headings, and every address that something is taken from."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.sources: list[str] = []
        self._into: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("th", "td", "h2"):
            self._into = self.headings if tag == "h2" else self.tables[-1][-1]
            self._into.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("th", "td", "h2"):
            self._into = None

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self._into[-1] += data

    def rows(self, section: str) -> dict[str, dict[str, str]]:
        """Give a section's table: task, column, cell."""
        header, *rows = self.tables[self.headings.index(section)]
        return {row[0]: dict(zip(header[1:], row[1:], strict=True)) for row in rows}


def test_the_page_holds_ours_beside_the_papers(made: Path) -> None:
    page = Page((made / "results" / "report.html").read_text())
    assert page.headings[:3] == [
        "Adroit from images (adroit-images)",
        "What keeps fine-tuning in bounds (regularisers)",
        "mine",
    ]
    rows = page.rows("Adroit from images (adroit-images)")
    assert list(rows) == ["adroit-door", "adroit-pen", "mean"]
    door = rows["adroit-door"]
    low, high = wilson(48, 60)
    assert door["bc"] == f"80% ({low:.0%} to {high:.0%}; 3 x 20 episodes)"
    assert door["bc: DP3's top-5 mean"] == "60% (3 seeds)"
    assert door["bc: paper"] == "96 ± 1 % (Table 7)"
    assert door["paper: DP3"] == "62 ± 4 % (Table 7)"
    assert "pretrained: DP3's top-5 mean" not in door
    assert rows["mean"]["bc"] == "80% (2 tasks)"
    assert rows["mean"]["bc: paper"] == "73.9 % (Table 7), mean of 3"
    basketball = page.rows(page.headings[1])["metaworld-basketball"]
    assert basketball["bc_only: paper"] == "21.3 ± 0.03 % (Table 5)"
    assert basketball["paper: SODP"] == "41.2 ± 0.16 % (Table 5)"
    assert list(page.rows("mine")["adroit-door"]) == ["fancy", "fancy: DP3's top-5 mean"]


def test_an_experiment_without_files_is_not_on_the_page(made: Path) -> None:
    text = (made / "results" / "report.html").read_text()
    for name in ("metaworld-images", "unseen-tasks", "Table 3", "Table 8"):
        assert name not in text


def test_the_page_holds_everything_it_shows(made: Path) -> None:
    text = (made / "results" / "report.html").read_text()
    sources = Page(text).sources
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    for seed in range(3):
        assert f"experiment=adroit-images variant=bc seed={seed}" in text
    assert "Wilson" in text.split("What the words mean")[1]


def test_figures_lie_beside_their_runs(made: Path) -> None:
    task = made / "results" / "adroit-images" / "adroit-door"
    for name in ("curves", "watched", "paths", "chunks"):
        assert (task / f"{name}.png").read_bytes()[:4] == PNG
    alone = made / "results" / "mine" / "adroit-door"
    assert not (alone / "chunks.png").exists()  # Nothing to compare its plans with.


def test_the_readme_has_a_row_for_each_run(made: Path) -> None:
    rows = re.findall(r"^\| (?:adroit-images|regularisers|mine) .*$", (made / "README.md")
                      .read_text(), re.MULTILINE)  # fmt: skip
    assert len(rows) == 2 * (1 + 3) + 2


def test_the_results_as_they_are_make_a_page(tmp_path: Path) -> None:
    results, readme = tmp_path / "results", tmp_path / "README.md"
    # Without the traces: to draw them all takes a minute, and made-up ones are drawn above.
    shutil.copytree(ROOT / "results", results, ignore=shutil.ignore_patterns("*.png", "*.npz"))
    shutil.copy(ROOT / "README.md", readme)
    succeed("policy/report.py", f"results={results}", f"readme={readme}")
    page = Page((results / "report.html").read_text())
    experiments = {path.parts[-4] for path in results.glob("*/*/*/seed*.json")}
    shown = [heading.rpartition("(")[2].rstrip(")") for heading in page.headings]
    assert experiments <= set(shown)
    tree = read_tree(results)
    for task, variants in tree["first-run"].items():
        cells = page.rows("first-run")[task]
        for name, variant in variants.items():
            assert cells[name].startswith(f"{variant.rate:.0%} (")
    for path in results.glob("*/*/overfit*.jsonl"):
        assert path.with_suffix(".png").read_bytes()[:4] == PNG


SEEDS = st.lists(st.integers(0, 40), min_size=1, max_size=6)


@given(SEEDS)
def test_pooled_wilson_is_that_of_all_episodes_together(successes: list[int]) -> None:
    pooled = pool(successes)
    assert pooled.interval == wilson(sum(successes), 40 * len(successes))
    low, high = pooled.interval
    assert low <= pooled.rate <= high  # Seeds of equal size: their mean is the pooled share.
    assert pool(successes[::-1]).interval == pooled.interval


@given(st.integers(0, 40), st.integers(2, 6))
def test_pooling_equal_seeds_narrows_the_interval(successes: int, seeds: int) -> None:
    one, many = pool([successes]).interval, pool([successes] * seeds).interval
    assert many[1] - many[0] < one[1] - one[0]


def pool(successes: list[int]) -> Variant:
    found = tuple(result("e/t/bc", seed, n, 40) for seed, n in enumerate(successes))
    return Variant((), found)


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    one = result("e/t/bc", 3, 10)
    assert Result.read(one.write(tmp_path)) == one


def test_a_file_that_is_no_result_is_named(tmp_path: Path) -> None:
    path = result("e/t/bc", 3, 10).write(tmp_path)
    (tmp_path / "README.md").write_text(MARKS)
    command = ("policy/report.py", f"results={tmp_path}", f"readme={tmp_path / 'README.md'}",
               f"paper={PAPER}")  # fmt: skip
    moved = path.with_name("seed4.json")
    path.rename(moved)
    assert f"{moved} says that it is e/t/bc/seed3.json" in refuse(*command)
    moved.write_text(json.dumps({"experiment": "e"}))
    with pytest.raises(InputError, match="is no result: it lacks, or should not have, command"):
        read_tree(tmp_path)
    moved.write_text("{")
    with pytest.raises(InputError, match=f"{moved} is not JSON"):
        read_tree(tmp_path)


def test_the_papers_means_are_those_of_its_rows() -> None:
    paper = read_paper(PAPER)
    assert {number.experiment for number in paper.numbers} <= set(paper.experiments)
    rows: dict[tuple[str, str], list[float]] = {}
    for number in paper.numbers:
        if number.task != "mean":
            rows.setdefault((number.table, number.method), []).append(number.success_percent)
    printed = {(n.table, n.method): n for n in paper.numbers if n.task == "mean"}
    wrong = printed.pop(("Table 7", "Diffusion Policy"))  # So it is printed; the page says so.
    assert "31.7" in paper.tables[wrong.table].protocol
    checked = {key: number for key, number in printed.items() if key in rows}
    assert len(checked) == 3 + 2 + 3  # Tables 7, 6 and 4; Table 8 has no rows.
    for key, number in checked.items():
        assert len(rows[key]) == paper.tables[number.table].tasks
        assert number.success_percent == pytest.approx(np.mean(rows[key]), abs=0.11)


def test_a_band_covers_what_all_seeds_cover() -> None:
    early = (np.array([10.0, 20.0, 30.0]), np.array([0.0, 0.2, 0.4]))
    late = (np.array([15.0, 25.0, 35.0]), np.array([1.0, 1.0, 1.0]))
    steps, values = band([early, late])
    np.testing.assert_array_equal(steps, [15, 20, 25, 30])
    np.testing.assert_allclose(values, [[0.1, 0.2, 0.3, 0.4], [1, 1, 1, 1]])
    np.testing.assert_array_equal(band([early])[1][0], early[1])


def test_paths_are_shown_where_they_spread() -> None:
    rng = np.random.default_rng(0)
    paths = rng.normal(size=(5, 9, 3)) * [1.0, 0.01, 3.0]
    paths[0, 4:] = np.nan
    found = Traces(paths, np.ones(5, bool), np.zeros((1, 4, 2)))
    assert largest_spread([found]) == (0, 2)


def test_chunks_are_laid_out_alike_each_time_and_apart_where_they_differ() -> None:
    rng = np.random.default_rng(0)
    chunks = {"a": rng.normal(size=(60, 4, 3)), "b": rng.normal(size=(50, 4, 3)) + 20}
    places, owners = embed(chunks)
    np.testing.assert_array_equal(places, embed(chunks)[0])
    assert [int((owners == i).sum()) for i in (0, 1)] == [60, 50]
    own = np.linalg.norm(places[:, None] - places[None], axis=-1) + 1e9 * np.eye(110)
    assert (owners[own.argmin(1)] == owners).all()  # The nearest plan is one of the same variant.
    with pytest.raises(InputError, match="different shapes"):
        embed({"a": chunks["a"], "b": np.zeros((5, 3, 3))})


def test_traces_without_an_array_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "seed0.npz"
    np.savez(path, paths=np.zeros((2, 3, 3)), successes=np.zeros(2, bool))
    with pytest.raises(InputError, match="lacks chunks; there are paths, successes"):
        read_traces(path)
    np.savez(path, paths=np.zeros((2, 3)), successes=np.zeros(2), chunks=np.zeros((1, 2, 3)))
    with pytest.raises(InputError, match="paths must be"):
        read_traces(path)
