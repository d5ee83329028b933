"""Read what was damaged, in a process that may crash, hang or want too much memory."""

import multiprocessing
import resource
import signal
import warnings
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from perception.errors import InputError
from tests.robustness.flips.damage import Damage
from tests.robustness.flips.targets import Target, same

LIMIT_S = 30
SPARE = 4 << 30  # Of memory beyond what the process has already.
FINE = ("refused", "same")


def outcomes(
    target: Target, place: Path, damages: Sequence[Damage]
) -> Iterator[tuple[Damage, str]]:
    """Read a copy after each damage, one after the other; a process that ends is replaced.

    Args:
        target: What is damaged.
        place: Its copy.
        damages: What to do to it.

    Yields:
        Each damage and its outcome: `refused`, `same`, or the fault.
    """
    context, done = multiprocessing.get_context("fork"), 0
    while done < len(damages):
        mine, theirs = context.Pipe(duplex=False)
        args = (target, place, damages[done:], theirs)
        process = context.Process(target=_read_all, args=args)
        process.start()
        theirs.close()
        for said in _received(mine):
            yield damages[done], said
            done += 1
        process.join()
        if done < len(damages):
            yield damages[done], f"the process ends with {process.exitcode}"
            done += 1
            (place / damages[done - 1].file).write_bytes(
                (target.root / damages[done - 1].file).read_bytes()
            )


def _received(connection: Connection) -> Iterator[str]:
    while True:
        try:
            yield str(connection.recv())
        except EOFError:
            return


def _read_all(target: Target, place: Path, damages: Sequence[Damage], out: Connection) -> None:
    """Damage, read, mend, and say what came of it, again and again."""
    warnings.simplefilter("ignore")
    _limit_memory()
    true = target.read(place)
    for damage in damages:
        file = place / damage.file
        content = file.read_bytes()
        changed = damage.of(content)
        file.write_bytes(changed)
        signal.alarm(LIMIT_S)  # Ends the process, which is what a hang comes to.
        said = "same" if changed == content else _read(target, place, true)
        signal.alarm(0)
        file.write_bytes(content)
        out.send(said)


def _read(target: Target, place: Path, true: Any) -> str:  # noqa: ANN401 (whatever is read)
    try:
        found = target.read(place)
    except InputError:
        return "refused"
    except Exception as error:  # Whatever a reader lets through is what is looked for.
        return f"{type(error).__name__}: {error}"[:200]
    return "same" if same(found, true) else "reads otherwise"


def _limit_memory() -> None:
    """Leave a process so much memory beyond what it has: a damaged shape may ask for any."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    limit = pages * resource.getpagesize() + SPARE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
