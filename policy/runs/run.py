"""The folder of a run: its configuration, metrics and checkpoints, and how it goes on."""

import errno
import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from configs.build import differences
from configs.files import write_text_whole
from configs.stopping import StoppedError
from datasets.behaviours.training_state import load_state, save_state
from perception.errors import InputError
from policy.runs.keeping import Keeping, open_logger
from policy.runs.metrics import Metrics

logger = logging.getLogger(__name__)

STAGES = ("finetune", "pretrain")  # The newest first.
CONFIG = "config.yaml"
KEEPING = Keeping()
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)


class Run:
    """One run's folder.

    Args:
        path: `outputs/<name>`.
        config: Everything that shapes the result, as plain values. A folder that was made with
            another one is refused.
        keeping: What is written beside the result.

    Raises:
        InputError: The folder belongs to a run with another configuration.
    """

    def __init__(self, path: Path, config: dict[str, Any], keeping: Keeping = KEEPING) -> None:
        self.path, self.config, self.keeping = path, config, keeping
        self._saved: dict[str, int] = {}
        plain = as_yaml_knows(config)
        text = yaml.safe_dump(plain)
        there = read_config(path)
        if there is None:
            write_text_whole(path / CONFIG, text)
        elif there != plain:
            raise InputError(
                f"{path} belongs to another configuration ({'; '.join(differences(there, plain))});"
                " choose another out="
            )
        self.config_sha256 = hashlib.sha256(text.encode()).hexdigest()

    def checkpoint(self, stage: str) -> Path:
        """Where the planner of a finished stage lies."""
        return self.path / "checkpoints" / f"{stage}.safetensors"

    def kept(self, stage: str, step: int) -> Path:
        """Where the planner of a stage under way is kept, as `keep_every` asks for."""
        return self.path / "checkpoints" / f"{stage}-{step}.safetensors"

    def state_path(self, stage: str) -> Path:
        """Where a stage keeps what it needs to go on."""
        return self.path / "checkpoints" / f"{stage}-state.pt"

    def save(self, stage: str, state: dict[str, Any]) -> None:
        """Save what a stage needs to go on."""
        save_state(state, self.state_path(stage))
        self._saved[stage] = state["step"]

    def resume(self, stage: str) -> dict[str, Any] | None:
        """Load what a stage needs to go on; None at its beginning."""
        state = load_state(self.state_path(stage))
        if state is not None:
            self._saved[stage] = state["step"]
            logger.info("%s goes on after step %d", stage, state["step"])
        return state

    @contextmanager
    def writing(self, stage: str) -> Iterator[None]:
        """Name the last good state of a stage where its disk is full, or fails.

        Raises:
            InputError: It did.
        """
        try:
            yield
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            good = "nothing was saved before"
            if stage in self._saved:
                path = self.state_path(stage)
                good = f"the last good state is {path}, after step {self._saved[stage]}"
            raise InputError(
                f"{error.strerror} ({error.filename or self.path}); {good}. Make room, and the same"
                " command goes on"
            ) from error

    def metrics(self, stage: str, step: int) -> "Metrics":
        """Open the metrics of a stage, forgetting what came after a step.

        Raises:
            InputError: What is to show them is not installed.
        """
        name, folder = self.keeping.logger, self.path
        shown = open_logger(name, folder, stage, step + 1, as_yaml_knows(self.config))
        return Metrics(folder / f"{stage}.jsonl", shown, step)


def read_config(folder: Path) -> dict[str, Any] | None:
    """Read the configuration of a run's folder; None where it has none, or but an empty file.

    Raises:
        InputError: The file is damaged, or is empty though something was learned.
    """
    path = folder / CONFIG
    if not path.exists():
        return None
    try:
        text = path.read_text(encoding="utf-8")
        values = yaml.safe_load(text.strip("\0"))
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        text, values = "damaged", type(error).__name__
    if isinstance(values, dict) and values:
        return values
    if text.strip("\0 \n") == "" and not has_begun(folder):
        return None  # A full disk left it.
    what = "is empty" if values is None else f"is no configuration of a run ({str(values)[:80]!r})"
    raise InputError(
        f"{path} {what}: restore it from a copy, or delete it, and this command's configuration is"
        " taken for the run's"
    )


def has_begun(folder: Path, stage: str = "") -> bool:
    """Tell whether a run's folder holds anything that was learned, in a stage or in any."""
    checkpoints = folder / "checkpoints"
    return any(any(checkpoints.glob(f"{stage}*.{end}")) for end in ("safetensors", "pt"))


def find_checkpoint(path: Path) -> Path:
    """Give the newest planner of a run's folder, or the file itself.

    Raises:
        InputError: The folder holds none.
    """
    if not path.is_dir():
        return path
    found = [path / "checkpoints" / f"{stage}.safetensors" for stage in STAGES]
    for checkpoint in found:
        if checkpoint.exists():
            return checkpoint
    raise InputError(f"{path} holds no finished planner: train first (policy/train.py out={path})")


def leave_no_trace(folder: Path) -> None:
    """Take away what a run has written that was refused before it learned anything."""
    if has_begun(folder) or not folder.is_dir():
        return
    for path in [folder / CONFIG, *(folder / f"{stage}.jsonl" for stage in STAGES)]:
        path.unlink(missing_ok=True)
    shutil.rmtree(folder / "tensorboard", ignore_errors=True)
    for empty in (folder / "checkpoints", folder):
        with suppress(OSError):
            empty.rmdir()


def run_folder(checkpoint: Path) -> Path:
    """Give the folder of the run that a checkpoint belongs to, or its own outside a run."""
    if checkpoint.is_dir():
        return checkpoint
    folder = checkpoint.parent
    return folder.parent if folder.name == "checkpoints" else folder


def stopped(where: str) -> StoppedError:
    """Say where a command has stopped after it saved."""
    return StoppedError(f"stopped {where}; the same command goes on")


@contextmanager
def stops(where: str) -> Iterator[None]:
    """Let Ctrl-C end a block in one line, where nothing is to be saved.

    Raises:
        StoppedError: It was pressed.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise stopped(where) from None


def as_yaml_knows(value: Any) -> Any:  # noqa: ANN401
    """Leave only what YAML knows: lists for tuples, text for paths."""
    return json.loads(json.dumps(value, default=str))
