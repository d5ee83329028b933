"""The evaluations of a run's stages on disk: `evaluation.json` in its folder."""

import hashlib
import json
import logging
import math
import zlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from configs.build import build
from envs.config import EnvConfig, for_digests
from perception.errors import InputError
from policy.rollouts.evaluation import Evaluation
from policy.rollouts.late import ON_TIME, Late
from policy.runs.json_files import read_json, write_json

logger = logging.getLogger(__name__)

FILE, DAMAGED = "evaluation.json", "evaluation-damaged.json"
GUIDED = "-guided"  # Behind a stage's name.


def of_checkpoint(checkpoint: Path, stage: str) -> str:
    """Name the evaluation of a planner: its stage's, or its own where a run keeps several."""
    name = checkpoint.stem
    if checkpoint.parent.name != "checkpoints" or name == stage:
        return stage
    return f"{stage}-{name.removeprefix(f'{stage}-')}"


def guided(stage: str) -> str:
    """Name the evaluation of a stage's planner that its critics guide; its own name is alone's."""
    return stage + GUIDED


def delayed(stage: str, late: Late) -> str:
    """Name the evaluation of a stage whose plans come late."""
    unaligned = "" if late.aligned or not late.delay else "-unaligned"
    blended = f"-blend{late.blend:g}" if late.blend else ""
    return f"{stage}-delay{late.delay}{unaligned}{blended}" if late.changes else stage


def at_temperature(stage: str, temperature: float | None) -> str:
    """Name the evaluation of a stage whose planner acts at another temperature than its own."""
    return stage if temperature is None else f"{stage}-temperature{temperature:g}"


def judged(
    about: Mapping[str, Any],
    env: EnvConfig,
    candidates: int = 1,
    late: Late = ON_TIME,
    temperature: float | None = None,
) -> str:
    """Identify what an evaluation is of: a planner by its steps, and the task that it acts in.

    Args:
        about: What the planner's checkpoint says of it.
        env: The task.
        candidates: Plans that critics choose among; with one, the planner is alone.
        late: How late plans come.
        temperature: What the planner acts at; None: its own.
    """
    of = [about.get("stage"), about.get("gradient_steps"), for_digests(asdict(env))]
    of += [candidates] if candidates > 1 else []
    of += [asdict(late)] if late.changes else []
    of += [] if temperature is None else [f"temperature {temperature:g}"]
    return hashlib.sha256(json.dumps(of, default=str).encode()).hexdigest()[:16]


def write_evaluation(folder: Path, stage: str, evaluation: Evaluation, of: str = "") -> None:
    """Note the evaluation of a stage in `evaluation.json`; one that is damaged is kept beside it.

    Args:
        folder: Of the run.
        stage: Whose planner it is; see `guided`.
        evaluation: What came of it.
        of: What `judged` says.
    """
    path = folder / FILE
    stages = _stages(path)
    if stages is None:
        path.replace(folder / DAMAGED)
    summary = {"success_rate": evaluation.rate, "wilson_95": list(evaluation.interval)}
    told = {"judged": of, **summary, **asdict(evaluation), "crc32": _checksum(evaluation)}
    write_json(path, {**(stages or {}), stage: {"stage": stage, **told}})


def forget_evaluation(folder: Path, stage: str) -> None:
    """Take out the evaluations of a stage that learns on: alone, guided, and late."""
    stages = _stages(folder / FILE) or {}
    kept = {name: v for name, v in stages.items() if name.split("-")[0] != stage}
    if len(kept) < len(stages):
        write_json(folder / FILE, kept)


def read_evaluation(folder: Path, stage: str, of: str = "") -> Evaluation | None:
    """Read the evaluation of a stage; None where there is none that can be read.

    Args:
        folder: Of the run.
        stage: Whose planner it is.
        of: What `judged` says; an evaluation of something else counts as none. Older files do not
            say it.
    """
    path = folder / FILE
    values = (_stages(path) or {}).get(stage)
    if values is None or (of and values.get("judged", of) != of):
        return None
    names = [field.name for field in fields(Evaluation) if field.name in values]
    try:
        return _checked({name: values[name] for name in names}, values.get("crc32"))
    except (InputError, TypeError) as error:
        logger.warning("%s: the evaluation of %s cannot be read (%s)", path, stage, error)
        return None


def _stages(path: Path) -> dict[str, Any] | None:
    """Read the evaluations of all stages; None where the file cannot be read, which is said."""
    if not path.exists():
        return {}
    try:
        stages = read_json(path)
    except InputError:
        stages = None
    if isinstance(stages, dict) and all(map(_is_of, stages.values(), stages)):
        return stages
    logger.warning("%s cannot be read (cut off or damaged): it counts as not there", path)
    return None


def _is_of(values: object, stage: str) -> bool:
    """Tell whether values are a stage's, where they say so: its name alone has no checksum."""
    return isinstance(values, dict) and values.get("stage", stage) == stage


def _checksum(evaluation: Evaluation) -> str:
    """Sum up all that an evaluation says of its episodes."""
    return f"{zlib.crc32(json.dumps(asdict(evaluation)).encode()):08x}"


def _checked(values: dict[str, Any], checksum: str | None) -> Evaluation:
    """Build an evaluation; returns that were not finite are null in its file.

    Args:
        values: Its fields.
        checksum: What was written of them; older files do not say it.

    Raises:
        InputError: A field is of another type or length, or missing, or it was written otherwise.
    """
    returns = [math.nan if value is None else value for value in values.get("returns", [])]
    found = build(Evaluation, {**values, "returns": returns})
    of_each = [found.successes, found.ever, found.returns]
    if not found.seeds or any(len(part) != len(found.seeds) for part in of_each):
        raise InputError("its lists differ in length")
    if checksum not in (None, _checksum(found)):
        raise InputError("its numbers are not those that were written")
    return found
