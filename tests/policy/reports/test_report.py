"""The report says what the files under results/ say, beside the paper's numbers, and no more."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from policy.reports.paper import read_paper
from policy.reports.result_tree import read_tree
from policy.reports.tables.doc_tables import TABLES
from policy.rollouts.evaluation import wilson
from policy.runs.metrics import read_metrics
from tests.conftest import ROOT
from tests.helpers.commands import succeed
from tests.policy.reports.made_results import result

PAPER = ROOT / "results" / "paper.json"
PNG = b"\x89PNG"


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


def put_pages(docs: Path) -> None:
    """Write pages with nothing between the marks of their tables."""
    docs.mkdir()
    for name, (page, _) in TABLES.items():
        with (docs / page).open("a") as file:
            file.write(f"<!-- {name} -->\n<!-- /{name} -->\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small tree of results, reported on by the command."""
    folder = tmp_path_factory.mktemp("report")
    results, docs = folder / "results", folder / "docs"
    for task in ("adroit-door", "adroit-pen"):
        put_run(results, f"adroit-images/{task}/pretrained", 0, 8)
        for seed, successes in enumerate((14, 16, 18)):
            put_run(results, f"adroit-images/{task}/bc", seed, successes)
    put_run(results, "regularisers/metaworld-basketball/bc_only", 0, 4)
    put_run(results, "mine/adroit-door/fancy", 0, 20)
    put_pages(docs)
    succeed("policy/report.py", f"results={results}", f"docs={docs}", f"paper={PAPER}")
    return folder


class Page(HTMLParser):
    """Tables by the heading above them, and every address that something is taken from."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.tables: list[list[list[str]]] = []
        self._headed: list[int] = []  # How many headings stand above each table.
        self.sources: list[str] = []
        self._into: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "table":
            self.tables.append([])
            self._headed.append(len(self.headings))
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
        """Give a section's first table: task, column, cell."""
        header, *rows = self.tables[self._headed.index(self.headings.index(section) + 1)]
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
    for source in sources:  # Pictures, and places on the page itself.
        inside = source.startswith("#") and f'id="{source[1:]}"' in text
        assert inside or source.startswith("data:image/png;base64,")
    for seed in range(3):
        assert f"experiment=adroit-images variant=bc seed={seed}" in text
    assert "Wilson" in text.rpartition("What the words mean")[2]


def test_figures_lie_beside_their_runs(made: Path) -> None:
    task = made / "results" / "adroit-images" / "adroit-door"
    for name in ("curves", "watched", "paths", "chunks"):
        assert (task / f"{name}.png").read_bytes()[:4] == PNG
    alone = made / "results" / "mine" / "adroit-door"
    assert not (alone / "chunks.png").exists()  # Nothing to compare its plans with.


def test_the_docs_have_a_row_for_each_run(made: Path) -> None:
    text = (made / "docs" / "experiments.md").read_text()
    rows = re.findall(r"^\| (?:adroit-images|regularisers|mine) .*$", text, re.MULTILINE)
    assert len(rows) == 2 * (1 + 3) + 2


def draw_one_task_of_each(results: Path) -> None:
    """Leave the curves of each experiment's first task; those of the others can be read."""
    for experiment in {path.parents[2] for path in results.glob("*/*/*/seed*.jsonl")}:
        first, *others = sorted(experiment.glob("*/*/seed*.jsonl"))
        for path in others:
            if path.parents[1] != first.parents[1]:
                assert read_metrics(path)
                path.unlink()


def test_the_results_as_they_are_make_a_page(tmp_path: Path) -> None:
    results = tmp_path / "results"
    # Without the traces: to draw them all takes a minute, and made-up ones are drawn above.
    shutil.copytree(ROOT / "results", results, ignore=shutil.ignore_patterns("*.png", "*.npz"))
    draw_one_task_of_each(results)
    succeed("policy/report.py", f"results={results}", "docs=null")
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


def test_the_papers_means_are_those_of_its_rows() -> None:
    paper = read_paper(PAPER)
    assert {number.experiment for number in paper.numbers} <= set(paper.experiments)
    rows: dict[tuple[str, ...], list[float]] = {}
    for number in paper.numbers:
        if number.task != "mean":
            key = (number.experiment, number.table, number.method)
            rows.setdefault(key, []).append(number.success_percent)
    printed = {(n.experiment, n.table, n.method): n for n in paper.numbers if n.task == "mean"}
    for experiment in ("adroit-images", "rivals-adroit"):  # So it is printed; the page says so.
        wrong = printed.pop((experiment, "Table 7", "Diffusion Policy"))
        assert "31.7" in paper.tables[wrong.table].protocol
    checked = {key: number for key, number in printed.items() if key in rows}
    assert len(checked) == 3 + 7 + 2 + 3  # Table 7 twice, Tables 6 and 4; Table 8 has no rows.
    for key, number in checked.items():
        assert len(rows[key]) == paper.tables[number.table].tasks
        assert number.success_percent == pytest.approx(np.mean(rows[key]), abs=0.11)
