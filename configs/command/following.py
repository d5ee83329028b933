"""How a command ends: where its result is, and what to type next."""

import logging
import shlex
from pathlib import Path

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]


def follow(result: Path, *commands: tuple[str, ...]) -> None:
    """Say where the result of a command is, and which commands come next.

    Args:
        result: A file or a folder.
        commands: Each a script, from the root of the repository, and its `key=value`.
    """
    logger.info("the result is %s", result)
    for script, *words in commands:
        logger.info("next: %s", shlex.join(["python", _from_here(script), *words]))


def _from_here(script: str) -> str:
    """Give the path of a script as it is typed in this folder."""
    here = Path.cwd()
    return script if here == ROOT else str(ROOT / script)


def follow_store(store: Path, *, drawn: bool = True, simulated: bool = True) -> None:
    """Say the same of a store: it is looked at, and learned from.

    Args:
        store: Its folder.
        drawn: Whether it holds clouds; those of one without are drawn first.
        simulated: Whether its task has a simulator; without one, planners are pre-trained alone.
    """
    data, name = f"data={store}", store.stem or store.name
    if not drawn:
        out = store.with_name(f"{name}-drawn{store.suffix}")
        follow(store, ("datasets/render.py", data, f"out={out}"))
        return
    stage = () if simulated else ("stage=pretrain",)
    train = ("policy/train.py", data, f"out={Path('outputs') / name}", *stage)
    follow(store, ("datasets/view.py", data), train)
