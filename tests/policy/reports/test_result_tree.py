"""Results are read back as they were written, pooled over seeds, and named where they are none."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.errors import InputError
from policy.reports.result import Result
from policy.reports.result_tree import SeedRuns, read_tree, run_files
from policy.reports.traces import read_traces
from policy.rollouts.evaluation import wilson
from tests.conftest import ROOT
from tests.helpers.commands import refuse
from tests.policy.reports.made_results import result

PAPER = ROOT / "results" / "paper.json"

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


def pool(successes: list[int]) -> SeedRuns:
    found = tuple(result("e/t/bc", seed, n, 40) for seed, n in enumerate(successes))
    return SeedRuns((), found)


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    one = result("e/t/bc", 3, 10)
    assert Result.read(one.write(tmp_path)) == one


def test_a_file_that_is_no_result_is_named(tmp_path: Path) -> None:
    path = result("e/t/bc", 3, 10).write(tmp_path)
    command = ("policy/report.py", f"results={tmp_path}", "docs=null", f"paper={PAPER}")
    moved = path.with_name("seed4.json")
    path.rename(moved)
    assert f"{moved} says that it is e/t/bc/seed3.json" in refuse(*command)
    moved.write_text(json.dumps({"experiment": "e"}))
    with pytest.raises(InputError, match="is no result: it lacks, or should not have, command"):
        read_tree(tmp_path)
    moved.write_text("{")
    with pytest.raises(InputError, match=f"{moved} is no JSON, or is cut off"):
        read_tree(tmp_path)


def test_every_committed_result_still_opens() -> None:
    results = ROOT / "results"
    tree = read_tree(results)
    runs = [seeds for tasks in tree.values() for variants in tasks.values()
            for seeds in variants.values()]  # fmt: skip
    assert sum(len(seeds.results) for seeds in runs) == len(run_files(results)) > 60
    for seeds in runs:
        assert all(line["step"] >= 0 for lines in seeds.metrics() for line in lines)
        for path in seeds.traces():
            assert len(read_traces(path).successes) > 0
    named = {
        "name",
        "ours",
        "reference",
        "unit",
        "ratio",
        "reference_is",
        "command",
        "machine",
        "date",
    }
    for path in (results / "benchmarks").glob("*.json"):
        assert all(set(entry) == named for entry in json.loads(path.read_text())), path
