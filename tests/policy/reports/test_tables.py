"""The tables of docs/ come from files, and say what the files say."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from perception.errors import InputError
from policy.reports.paper import read_paper
from policy.reports.result import Result, make_result
from policy.reports.result_tree import SeedRuns, Tasks
from policy.reports.tables.doc_tables import TABLES, put, write_tables
from policy.reports.tables.paper_tables import compare
from policy.reports.tables.rival_tables import EXPERIMENT, rivals_table
from policy.reports.tables.ten_tasks_table import TASKS as TEN_TASKS
from policy.reports.tables.ten_tasks_table import ten_tasks_table
from policy.rollouts.evaluation import Evaluation
from tests.conftest import ROOT
from tests.policy.reports.made_results import result


def make_one(folder: Path) -> Result:
    found = Evaluation((True, True, True, False), (True,) * 4, (1.0,) * 4, (1, 2, 3, 4))
    about = {"task": "adroit-door", "seed": 3, "stage": "finetune", "seconds": 7200.0}
    metrics = folder / "metrics.jsonl"
    rates = [0.1, 0.5, 0.9, 0.8, 0.7, 0.6]
    lines = [
        {"step": 10 * i, "finetune/success": r, "evaluation/success": r}
        for i, r in enumerate(rates)
    ]
    metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return make_result(
        found,
        about,
        experiment="e",
        variant="bc",
        success_at="end",
        config_sha256="x",
        metrics=metrics,
    )


def test_a_result_is_what_was_evaluated(tmp_path: Path) -> None:
    made = make_one(tmp_path)
    assert (made.successes, made.episodes, made.success_rate) == (3, 4, 0.75)
    assert made.top5_mean == pytest.approx((0.5 + 0.9 + 0.8 + 0.7 + 0.6) / 5)
    assert made.wilson_low < 0.75 < made.wilson_high


def test_a_result_names_the_card_that_it_was_made_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Card" not in make_one(tmp_path).machine
    monkeypatch.setattr("torch.cuda.is_initialized", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "Card 1")
    assert make_one(tmp_path).machine.endswith(", Card 1")


def test_tables_are_made_from_files(tmp_path: Path) -> None:
    results, docs = tmp_path / "results", tmp_path / "docs"
    make_one(tmp_path).write(results)
    replace(make_one(tmp_path), seed=4, top5_mean=None).write(results)
    (results / "benchmarks").mkdir()
    entry = {
        "name": "n",
        "ours": 2.0,
        "reference": 90.0,
        "unit": "ms",
        "ratio": 45.0,
        "reference_is": "r",
    }
    (results / "benchmarks" / "collect.json").write_text(json.dumps([entry]))
    docs.mkdir()
    pages = dict.fromkeys(page for page, _ in TABLES.values())
    for page in pages:
        marks = [f"<!-- {n} -->\nold\n<!-- /{n} -->\n" for n in TABLES if TABLES[n][0] == page]
        (docs / page).write_text(f"Before.\n{''.join(marks)}After.\n")
    card = results / "data/adroit-door/suboptimal.json"
    card.parent.mkdir(parents=True)
    tenths = [{"episodes": 4, "successes": 0}, {"episodes": 4, "successes": 3}]
    said = {"task": "adroit-door", "episodes": 8, "steps": 800, "at_end": 3, "ever": 5}
    more = {"success_at": "ever", "along_time": tenths, "stored_bytes": 2_000_000}
    card.write_text(json.dumps({**said, **more}))
    write_tables(results, docs)
    runs, rivals, data, benchmarks = ((docs / page).read_text() for page in pages)
    assert runs.startswith("Before.\n<!-- results -->\n| experiment |")
    assert runs.endswith("<!-- /paired -->\nAfter.\n")
    assert "old" not in runs + rivals + data + benchmarks
    assert "Nothing was run." in rivals
    assert "| e | adroit-door | bc | 3 | **75%** | 30% to 95% |  | 70% | 4 |" in runs
    assert "| adroit-door | suboptimal | 8 | 800 | 38% | **62%** | 0% to 75% | 2 | 225 |" in data
    assert "| `collect` | n | 2 | 90 | ms | **45** | r |" in benchmarks


def test_rivals_stand_beside_the_papers(tmp_path: Path) -> None:
    shutil.copy(ROOT / "results/paper.json", tmp_path)
    made = {
        "adroit-door/dp3-expert10": [(0, 20)],
        "adroit-door/flow-agent400": [(0, 12), (1, 18)],
        "adroit-pen/dp3-expert10": [(0, 5)],
    }
    for where, runs in made.items():
        for seed, successes in runs:
            of = result(f"{EXPERIMENT}/{where}", seed, successes)
            top = 0.96 if where == "adroit-pen/dp3-expert10" else None
            of = replace(of, parameters=2_500_000, processor_s=90.0 + 60 * seed, top5_mean=top)
            of.write(tmp_path)
    header, _, *rows = rivals_table(tmp_path).splitlines()
    assert "hammer, ten experts | door, ten experts | pen, ten experts | hammer, 400" in header
    assert [row.split("|")[1].strip() for row in rows] == ["`dp3`", "`flow`"]
    dp3, flow = ([cell.strip() for cell in row.split("|")[2:-1]] for row in rows)
    assert dp3[0] == "2.5 M"
    assert dp3[1:4] == ["not run", "**100%** (84% to 100%)", "**25%** (11% to 47%; top 5: 96%)"]
    assert dp3[4:] == ["not run"] * 3 + ["100, 62, 43", "1.5 to 1.5"]
    assert flow[5] == "**75%** (60% to 86%; 2 seeds)"
    assert flow[-2:] == ["", "1.5 to 2.5"]


def test_ten_tasks_have_a_mean_where_none_is_missing(tmp_path: Path) -> None:
    assert ten_tasks_table(tmp_path) == "Nothing was run."
    shutil.copy(ROOT / "results/paper.json", tmp_path)
    result("rivals-mt10/metaworld-reach/dp3", 0, 5).write(tmp_path)
    for place, task in enumerate(TEN_TASKS):
        for seed in (0, 1):
            result(f"thirteen-tasks/metaworld-{task}/sodp_600k", seed, place + seed).write(tmp_path)
    header, _, *rows = ten_tasks_table(tmp_path).splitlines()
    assert header.count("|") == 15
    dp3, sodp = ([cell.strip() for cell in row.split("|")[1:-1]] for row in rows)
    assert (dp3[:2], sorted(set(dp3[2:12])), dp3[12:]) == (
        ["`dp3`", "1"],
        ["25", "not run"],
        ["", "32.6"],
    )
    assert (sodp[:3], sodp[12:]) == (["`sodp_600k`", "2", "2"], ["**25**", "47.5"])


def test_a_table_of_many_variants_is_turned() -> None:
    def runs(count: int) -> Tasks:
        one = SeedRuns((), (result("e/t/v", 0, 5),))
        return {"t": {f"v{number}": one for number in range(count)}}

    paper = read_paper(ROOT / "results/paper.json")
    header, rows = compare("e", runs(2), paper)
    assert (header[0], [row[0] for row in rows]) == ("task", ["t"])
    header, rows = compare("e", runs(9), paper)
    assert header == ["", "t"]
    assert [row[0] for row in rows][:3:2] == ["v0", "v1"]


def test_a_page_without_marks_or_no_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.md lacks <!-- results -->"):
        put("nothing", "results", "table", "a.md")
    with pytest.raises(InputError, match=r"experiments\.md does not exist"):
        write_tables(ROOT / "results", tmp_path)


def test_the_docs_hold_what_the_results_say(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    shutil.copytree(ROOT / "docs", docs, ignore=shutil.ignore_patterns("pictures"))
    write_tables(ROOT / "results", docs)
    for page in {page for page, _ in TABLES.values()}:
        written = (docs / page).read_text()
        assert written == (ROOT / "docs" / page).read_text(), "run: python policy/report.py"
