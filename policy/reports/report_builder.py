"""From the files under results/ to figures, one page and the tables of docs/."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from configs.files import write_text_whole, write_whole
from perception.errors import InputError
from policy.reports.bands import success_plot, watched_plot
from policy.reports.curves import loss_plot
from policy.reports.paper import Paper, read_paper
from policy.reports.paths_and_chunks import chunks_plot, paths_plot
from policy.reports.report_page import WORDS, Figure, experiment_part, opening, task_part
from policy.reports.result_tree import SeedRuns, Tasks, read_tree
from policy.reports.tables.doc_tables import copy_figures, write_tables
from policy.reports.traces import read_traces
from policy.runs.metrics import read_metrics
from visualizer import pages
from visualizer.pages import Html

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReportConfig:
    """Where results lie and tables go; every key is explained in configs/scripts/report.yaml."""

    results: Path
    paper: Path
    docs: Path | None


def report(config: ReportConfig) -> None:
    """Write the page, the figures, and the tables of docs/.

    Raises:
        InputError: Something is missing or is not what its place says.
    """
    if not config.results.is_dir():
        raise InputError(f"{config.results} is no folder of results")
    paper, tree = read_paper(config.paper), read_tree(config.results)
    of_paper = [name for name in paper.experiments if name in tree]
    names = [*of_paper, *sorted(tree.keys() - set(of_paper))]
    parts = [_experiment(config.results, name, tree[name], paper) for name in names]
    path = config.results / "report.html"
    page = pages.page("SODP-3D: results beside the paper's", [opening(paper), *parts, WORDS])
    write_text_whole(path, page)
    _overfit_plots(config.results)
    if config.docs is not None:
        write_tables(config.results, config.docs)
        copy_figures(config.results, config.docs)
        logger.info("the tables and figures of %s are written anew", config.docs)
    logger.info("look at %s", path)


def _experiment(results: Path, name: str, tasks: Tasks, paper: Paper) -> Html:
    """Draw and set out one experiment."""
    parts = [experiment_part(name, tasks, paper)]
    for task, variants in tasks.items():
        figures = draw(variants)
        for figure in figures:
            path = results / name / task / figure.file
            _write_png(path, figure.png)
            logger.info("%s", path)
        parts.append(task_part(task, figures))
    return pages.together(*parts)


def draw(variants: Mapping[str, SeedRuns]) -> list[Figure]:
    """Draw what there is to draw of a task: curves, paths, chunks."""
    runs = {name: lines for name, seeds in variants.items() if (lines := seeds.metrics())}
    before = variants["pretrained"].rate if "pretrained" in variants else None
    traces = {
        name: read_traces(seeds.traces()[0]) for name, seeds in variants.items() if seeds.traces()
    }
    drawn: dict[str, tuple[bytes | None, Iterable[str]]] = {
        "curves.png": (success_plot(runs, before), runs),
        "watched.png": (watched_plot(runs), runs),
        "paths.png": (paths_plot(traces) if traces else None, traces),
        "chunks.png": (chunks_plot(traces) if len(traces) > 1 else None, traces),
    }
    return [
        Figure(file, png, [command for name in shown for command in variants[name].commands])
        for file, (png, shown) in drawn.items()
        if png is not None
    ]


def _overfit_plots(results: Path) -> None:
    """Draw the losses of attempts to learn a few windows by heart."""
    for path in sorted(results.glob("*/*/overfit*.jsonl")):
        _write_png(path.with_suffix(".png"), loss_plot(read_metrics(path)))


def _write_png(path: Path, png: bytes) -> None:
    write_whole(path, lambda aside: aside.write_bytes(png))
