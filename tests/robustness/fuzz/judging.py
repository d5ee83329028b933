"""Run a command line of the grammar, and say how it broke the promise."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.robustness.fuzz.grammar import Case
from tests.robustness.fuzz.sandbox import Sandbox, changes, sandbox
from tests.robustness.shared.judged import Outcome, fault_of, run
from tests.robustness.shared.world import World

KEPT = ".lock"  # A lock's file stays; who holds it is what counts.
TOLD = 2000  # Letters of what a command said last that are kept with a fault.


@dataclass(frozen=True)
class Verdict:
    """What came of a command line.

    Attributes:
        code: The exit code; None if it ran beyond its limit.
        fault: How it broke the promise; empty if it kept it.
        said: The end of what it said.
    """

    code: int | None
    fault: str
    said: str


def judge(case: Case, world: World, root: Path) -> Verdict:
    """Run a command in a sandbox of its own."""
    with sandbox(root, world) as box:
        command = (case.base.script, *map(box.resolve, case.arguments))
        before = box.listing()
        # Matplotlib keeps a list of fonts, which takes a second to make.
        own = {"HOME": str(root / "home"), "MPLCONFIGDIR": str(root.with_name("matplotlib"))}
        outcome = run(command, box.work, own)
        fault = fault_of(outcome) or _beyond(case, outcome, box, before)
        return Verdict(outcome.code, fault, outcome.errors[-TOLD:])


def _beyond(case: Case, outcome: Outcome, box: Sandbox, before: Mapping[str, str]) -> str:
    """Say what a command that ended well by its code did wrong nevertheless."""
    if (box.work / "unpickled").exists():
        return "ran code out of a pickle"
    if outcome.refused:
        return _wrong_refusal(case, outcome, changes(dict(before), box.listing()))
    if _asks(case):
        return ""
    if case.nonsense:
        return "accepted"
    return _misplaced(case.written, box) if case.written else ""


def _wrong_refusal(case: Case, outcome: Outcome, changed: list[str]) -> str:
    """Say what a refused command left behind, or said beside its line."""
    left = [change for change in changed if not change.endswith(KEPT)]
    if left:
        return f"refused, but changed {' '.join(left[:5])}"
    if outcome.output:
        return f"refused, but said {outcome.output[:80]!r}"
    named = case.mentions in outcome.message
    return "" if named else f"does not name {case.mentions}"


def _asks(case: Case) -> bool:
    """Tell whether a command asks for words alone, which makes all else of no account."""
    asked = ("--help", "-h", "--version", "--hydra-help", "--info", "-i", "--cfg", "-c")
    return any(text.partition("=")[0] in asked for text in case.arguments)


def _misplaced(name: str, box: Sandbox) -> str:
    """Say that nothing was written under a name that was accepted; `~` is one's home."""
    home = box.root / "home"
    place = home / name[2:] if name.startswith("~/") else box.work / name
    return "" if place.exists() else f"accepted, but wrote nothing to {name!r}"
