"""A folder of its own for every command: copies of its inputs, and what changed there."""

import hashlib
import random
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.robustness.shared.spoil import SPOILS
from tests.robustness.shared.world import World

BOMB = b"cposix\nmkdir\n(S'unpickled'\ntR."  # A pickle that makes a folder when it is loaded.
INPUT = re.compile(r"<(\w+)(?::(\w+):(\d+))?>")


@dataclass
class Sandbox:
    """One command's folder.

    Attributes:
        root: Holds `work`, where the command runs, `home` and the inputs. Always the same folder:
            a warm process is of one environment, and `home` belongs to it.
        world: What inputs are copied from.
        there: The inputs that lie here already.
    """

    root: Path
    world: World
    there: dict[str, Path] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        """Where the command runs."""
        return self.root / "work"

    def resolve(self, argument: str) -> str:
        """Put the places of copies where an argument has inputs in angle brackets."""
        return INPUT.sub(lambda found: str(self._input(*found.groups())), argument)

    def _input(self, name: str, how: str | None, seed: str | None) -> Path:
        key = f"{name}:{how}:{seed}"
        if key not in self.there:
            self.there[key] = self._make(name, how, seed)
        return self.there[key]

    def _make(self, name: str, how: str | None, seed: str | None) -> Path:
        folder = self.root / f"in{len(self.there)}"
        folder.mkdir()
        if name in MADE:
            place = folder / name
            MADE[name](place)
            return place
        source = self.world.path(name)
        place = folder / source.name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, place)
        if how is not None:
            SPOILS[how](place, random.Random(seed))
        return place

    def listing(self) -> dict[str, str]:
        """Give everything that lies here, with what tells one content from another."""
        return dict(self._listed())

    def _listed(self) -> Iterator[tuple[str, str]]:
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            if name.startswith("home/."):  # What libraries keep there of their own accord.
                continue
            if path.is_symlink():
                yield name, f"link to {path.readlink()}"
            elif path.is_file():
                yield name, hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                yield name, "folder"


def _file(place: Path) -> None:
    place.write_text("in the way\n", encoding="utf-8")


def _loop(place: Path) -> None:
    place.symlink_to(place.name)


def _pickle(place: Path) -> None:
    place.write_bytes(BOMB)


MADE = {"file": _file, "loop": _loop, "pickle": _pickle}


@contextmanager
def sandbox(root: Path, world: World) -> Iterator[Sandbox]:
    """Give an empty sandbox, which goes afterwards."""
    shutil.rmtree(root, ignore_errors=True)  # Of a command that was interrupted.
    for name in ("work", "home"):
        (root / name).mkdir(parents=True)
    yield Sandbox(root, world)
    shutil.rmtree(root)


def changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Say what is there that was not, and what is other than it was."""
    new = [f"+{name}" for name in after if name not in before]
    gone = [f"-{name}" for name in before if name not in after]
    other = [f"~{name}" for name in before if name in after and before[name] != after[name]]
    return [*new, *gone, *other]
