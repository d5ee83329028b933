"""The numbers that the paper prints, each with the table it stands in (`results/paper.json`)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from perception.errors import InputError

MEAN = "mean"  # The task of a number that is the mean over the tasks of its table.


@dataclass(frozen=True)
class PaperTable:
    """A table of the paper: the section it is in, how it was measured, over how many tasks."""

    where: str
    protocol: str
    tasks: int


@dataclass(frozen=True)
class Number:
    """One printed success rate.

    Attributes:
        variant: Ours that it belongs beside; None for a method that is not rebuilt here.
        success_percent: As printed.
        deviation: As printed behind the sign ±; the file says its unit.
    """

    experiment: str
    task: str
    variant: str | None
    method: str
    success_percent: float
    deviation: float | None
    table: str

    def __str__(self) -> str:
        spread = "" if self.deviation is None else f" ± {self.deviation:g}"
        return f"{self.success_percent:g}{spread} % ({self.table})"


@dataclass(frozen=True)
class About:
    """What an experiment is called, and where the paper shows the same."""

    title: str
    figures: str


@dataclass(frozen=True)
class Paper:
    """Everything that is compared with."""

    source: str
    deviation_is: str
    tables: Mapping[str, PaperTable]
    experiments: Mapping[str, About]
    numbers: tuple[Number, ...]

    def find(self, experiment: str, task: str) -> list[Number]:
        """Give what the paper prints for a task of an experiment, in the order of the file."""
        return [n for n in self.numbers if (n.experiment, n.task) == (experiment, task)]


def read_paper(path: Path) -> Paper:
    """Read the paper's numbers.

    Raises:
        InputError: There is no such file.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; it should hold the paper's numbers")
    content = json.loads(path.read_text(encoding="utf-8"))
    return Paper(
        content["source"],
        content["deviation_is"],
        {name: PaperTable(**about) for name, about in content["tables"].items()},
        {name: About(**about) for name, about in content["experiments"].items()},
        tuple(Number(**number) for number in content["numbers"]),
    )
