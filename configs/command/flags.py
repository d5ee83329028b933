"""The flags that a command takes; Hydra has others, which read files or run what they name.

`--experimental-rerun FILE` unpickles a file, and `hydra.*` keys name classes to make: neither is
taken.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from configs.command.overrides import Override
from perception.errors import InputError

HELP, SHOW, MULTIRUN = ("--help", "-h"), ("--cfg", "-c"), ("--multirun", "-m")
FOLDER = ("--config-dir", "-cd")
TAKEN = "--help (-h), --cfg job (-c job), --multirun (-m) and --config-dir FOLDER (-cd FOLDER)"
# Of a sweep: stay in this folder, write nothing, log plainly to the terminal.
SWEEP = (
    "hydra.run.dir=.",
    "hydra.sweep.dir=.",
    "hydra.sweep.subdir=.",
    "hydra.output_subdir=null",
    "hydra.job.chdir=false",
    "+hydra.job_logging.handlers.file.delay=true",
    "hydra.job_logging.root.handlers=[console]",
)
WITH_SWEEP = re.compile(  # Which launcher and sweeper, by name, and plain values of theirs.
    r"\+?\+?(hydra/(launcher|sweeper)=[\w-]+|hydra\.(launcher|sweeper)\.[a-zA-Z]\w*=[\w./:-]*)"
)


@dataclass(frozen=True)
class Arguments:
    """A command line, sorted.

    Attributes:
        help: Whether it asks for help.
        show: Whether it asks for its configuration alone.
        sweep: Whether it is to be run once for each of several values.
        overrides: Its `key=value`.
        hydra: Those whose keys are Hydra's own.
        folders: Where more choices of groups lie.
    """

    help: bool
    show: bool
    sweep: bool
    overrides: tuple[str, ...]
    hydra: tuple[str, ...]
    folders: tuple[Path, ...]

    def refuse_hydra_keys(self) -> None:
        """Refuse what of Hydra's own keys is not taken.

        Raises:
            InputError: There is such a key.
        """
        for text in self.hydra:
            if not (self.sweep and WITH_SWEEP.fullmatch(text)):
                raise InputError(
                    f"{text.partition('=')[0]} is a key of Hydra's own, which is not taken;"
                    " with --multirun hydra/launcher= and plain hydra.launcher.* are"
                )


def read_arguments(given: Sequence[str]) -> Arguments:
    """Sort a command line.

    Raises:
        InputError: It has a flag that is not taken.
    """
    flags, overrides, folders = [], [], []
    rest = list(given)
    while rest:
        text = rest.pop(0)
        if not text.startswith("-"):
            overrides.append(text)
            continue
        flag, equals, value = text.partition("=")
        if flag in (*SHOW, *FOLDER):
            value = value if equals else (rest.pop(0) if rest else "")
        if not _is_taken(flag, value):
            raise InputError(f"{text} is no flag of this command; there are {TAKEN}")
        flags.append(flag)
        if flag in FOLDER:
            folders.append(Path(value).expanduser())
    own = tuple(text for text in overrides if not _is_hydras(text))
    return Arguments(
        help=bool(set(HELP) & set(flags)),
        show=bool(set(SHOW) & set(flags)),
        sweep=bool(set(MULTIRUN) & set(flags)),
        overrides=own,
        hydra=tuple(text for text in overrides if _is_hydras(text)),
        folders=tuple(folders),
    )


def _is_taken(flag: str, value: str) -> bool:
    """Tell whether a flag is one of those taken, with a value that it may have."""
    if flag in SHOW:
        return value == "job"
    return flag in (*HELP, *MULTIRUN) or (flag in FOLDER and value != "")


def _is_hydras(text: str) -> bool:
    key = Override.read(text).key
    return re.split(r"[./@]", key)[0] == "hydra"
