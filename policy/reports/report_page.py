"""The pieces of the report's page: what it compares, what its words mean, tables and figures."""

from collections.abc import Sequence
from dataclasses import dataclass

from policy.reports.paper import Paper
from policy.reports.result_tree import Tasks, shown
from policy.reports.tables.paired_tables import HEADER, paired_rows, reasons
from policy.reports.tables.paper_tables import compare
from visualizer import pages
from visualizer.pages import Html

CAPTIONS = {
    "curves.png": "Success over online episodes: mean over seeds, band from the lowest seed to the"
    " highest. Left while exploring, as fine-tuning itself sees it; where there is a second panel,"
    " as evaluated along the way. Dotted: the pre-trained planner, last checkpoint.",
    "watched.png": "What PPO does along the way; mean and band as above.",
    "paths.png": "Paths of the hand in the evaluation of one seed (paper, Fig. 2), along the two"
    " world axes of largest spread; each begins at its dot.",
    "chunks.png": "Chunks of actions executed in the evaluation of one seed a variant, in one t-SNE"
    " embedding with a fixed random state (paper, Fig. 6). Distances between far clusters mean"
    " nothing.",
}
MEANINGS = {
    "success": "share of evaluated episodes that succeed under their task's rule: at the episode's"
    " end (DP3's rule for Adroit) or at any step, ever (Meta-World); env.success_at says which."
    " Always the last checkpoint, on seeded episodes never trained on; the mean over seeds.",
    "interval": "Wilson's 95 % interval of all seeds' episodes together. It speaks of these trained"
    " planners; how much another training seed would differ is the band's matter.",
    "end, ever": "share of episodes at the goal at their last step, and at any step, whichever"
    " counts for the task.",
    "with its critics": "the best of several plans by the critics of its fine-tuning; all other"
    " numbers are the planner's alone.",
    "over starts": "95 % interval of a difference by bootstrap (percentiles of 10,000 draws) of the"
    " starts: it speaks of these trained planners.",
    "over seeds too": "the same where training seeds are drawn anew with the starts: it speaks of"
    " the ways to train. Of two or three seeds it is too narrow rather than too wide.",
    "3 x 100 episodes": "three seeds, a hundred episodes each.",
    "DP3's top-5 mean": "the mean of the five best evaluations along fine-tuning, the protocol of"
    " DP3 and of the paper's Table 7. It picks its checkpoints by what it reports, from small"
    " evaluations, so it flatters; it has a column of its own beside the last checkpoint's.",
    "paper": "as the paper prints it, with the table's number. Its hardware, data and number of"
    " steps were others.",
    "clipped": "share of PPO's probability ratios that lie outside the clipping range; those"
    " that would go further give no gradient. Near one, PPO has stopped learning.",
    "ratio": "mean of the probability ratio between the planner being updated and the one that"
    " acted; 1 before the first update.",
    "gradient norm": "length of the whole gradient before it is clipped.",
}
WORDS = pages.together(pages.heading("What the words mean"), pages.facts(MEANINGS))


@dataclass(frozen=True)
class Figure:
    """A figure, the file it belongs into, and the commands that made its rows."""

    file: str
    png: bytes
    commands: Sequence[str]


def opening(paper: Paper) -> Html:
    """Say what is compared with what."""
    return pages.together(
        pages.paragraph(
            "Every number of ours comes from a file under results/ that holds its command; an"
            " experiment that is not here was not run. Columns named paper are printed numbers."
        ),
        pages.paragraph(f"Compared with: {paper.source}. ± is {paper.deviation_is}."),
    )


def experiment_part(name: str, tasks: Tasks, paper: Paper) -> Html:
    """Set out an experiment's table, how the paper measured, and the commands."""
    about = paper.experiments.get(name)
    parts = [pages.heading(name if about is None else f"{about.title} ({name})")]
    if about is not None:
        parts.append(pages.paragraph(f"In the paper: {about.figures}."))
    parts.append(pages.table(*compare(name, tasks, paper)))
    parts += _paired_parts(tasks)
    used = [n.table for task in [*tasks, "mean"] for n in paper.find(name, task)]
    for table in sorted(set(used)):
        printed = paper.tables[table]
        protocol = f"The paper's {table} ({printed.where}): {printed.protocol}."
        parts.append(pages.paragraph(protocol))
    commands = [c for variants in tasks.values() for variant in variants.values()
                for c in variant.commands]  # fmt: skip
    return pages.together(*parts, _made_by(commands))


def _paired_parts(tasks: Tasks) -> list[Html]:
    """Set out what differs on the same starts, and say what cannot be compared."""
    rows, without = paired_rows(tasks)
    said = reasons([(f"{one.task} {shown(one.variant)}", one) for one in without])
    title = pages.paragraph("Differences on the same starts, in points, with 95 % intervals:")
    table = [title, pages.table(HEADER, rows)] if rows else []
    return [*table, *map(pages.paragraph, said)]


def task_part(task: str, figures: Sequence[Figure]) -> Html:
    """Show the figures of a task, each with the commands that made its rows."""
    if not figures:
        return Html("")
    shown = [
        pages.together(pages.figure(f.png, f"{task}. {CAPTIONS[f.file]}"), _made_by(f.commands))
        for f in figures
    ]
    return pages.together(*shown)


def _made_by(commands: Sequence[str]) -> Html:
    return pages.folded("The commands that made its rows", list(dict.fromkeys(commands)))
