"""The card of what is pushed to the Hub: README.md, with the facts that its files say."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from datasets.cards.card import outcomes
from datasets.store.store import EpisodeStore
from perception.errors import InputError
from policy.runs.json_files import read_json
from policy.runs.run import read_config

EVALUATION = "evaluation.json"
TAGS = ("robotics", "point-cloud", "sodp-3d")


def planner_card(run: Path, repo: str) -> str:
    """Write the card of a run.

    Args:
        run: Its folder.
        repo: Where it goes, user/name.

    Raises:
        InputError: It is no run, or its configuration is damaged.
    """
    config = read_config(run)
    if config is None:
        raise InputError(f"{run} has no config.yaml: it is no run of policy/train.py")
    about = _mapping(config.get("about"))
    env, planner = _mapping(about.get("env")), _mapping(config.get("planner"))
    task = str(about.get("task", env.get("name", "unknown")))
    rows = [
        ("task", task),
        *_view(_mapping(env.get("view"))),
        ("policy", str(planner.get("kind", "unknown"))),
        ("encoder, denoiser", f"{_kind(planner, 'encoder')}, {_kind(planner, 'denoiser')}"),
        *_tuned(run, config),
        ("seed", str(about.get("seed", "unknown"))),
        *_successes(run),
    ]
    use = (
        f"python policy/runs/hub.py pull={repo} to=outputs/{Path(repo).name}\n"
        f"python policy/evaluate.py checkpoint=outputs/{Path(repo).name}"
    )
    title = f"A planner for {task}"
    return _page({"tags": [*TAGS], "pipeline_tag": "robotics"}, title, rows, use)


def store_card(store: EpisodeStore, repo: str) -> str:
    """Write the card of a store.

    Args:
        store: It, open.
        repo: Where it goes, user/name.
    """
    said, results = store.attributes, outcomes(store)
    firsts = {name: store.read(name, slice(0, 1)) for name in store.names}
    arrays = (f"`{n}` {_sizes(one)} {one.dtype}" for n, one in firsts.items())
    view = _mapping(_mapping(store.identity.get("env")).get("view"))
    rows = [
        ("task", str(said.get("task", "unknown"))),
        ("behaviour", _kind(store.identity, "behaviour")),
        ("episodes, steps", f"{store.episodes:,}, {store.steps:,}"),
        *_view(view),
        ("frame, units", f"{said.get('frame', 'unknown')}, {said.get('units', 'unknown')}"),
        ("arrays", "<br>".join(arrays)),
    ]
    if results.judged:
        rows.append(("successful episodes", f"{results.successes.sum()} of {store.episodes}"))
    path = f"data/{Path(repo).name.removesuffix('.zarr')}.zarr"
    use = f"python policy/runs/hub.py pull={repo} to={path}\npython policy/train.py data={path}"
    title = f"Episodes of {said.get('task', 'unknown')}"
    return _page({"tags": [*TAGS], "task_categories": ["robotics"]}, title, rows, use)


def _page(front: dict[str, Any], title: str, rows: list[tuple[str, str]], use: str) -> str:
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    head = yaml.safe_dump(front, sort_keys=False)
    return f"---\n{head}---\n\n# {title}\n\n| | |\n|---|---|\n{table}\n\n```console\n{use}\n```\n"


def _sizes(rows: np.ndarray) -> str:
    return f"({', '.join(['step', *map(str, rows.shape[1:])])})"


def _view(view: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Say how a task is seen."""
    if not view:
        return
    if not view.get("points"):
        yield "sees", "the simulator's state"
        return
    colour = "coloured points" if view.get("colour") else "points"
    cameras = ", ".join(map(str, view.get("cameras", ())))
    yield "sees", f"{view['points']} {colour} of the cameras {cameras}"
    yield "crop box, metres", f"{view.get('crop_low')} to {view.get('crop_high')}"


def _tuned(run: Path, config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Say how a planner was fine-tuned, if it was."""
    if (run / "checkpoints/finetune.safetensors").is_file():
        yield "fine-tuned by", _kind(_mapping(config.get("finetune")), "algorithm")


def _successes(run: Path) -> Iterator[tuple[str, str]]:
    """Say what each stage was judged to be."""
    if not (run / EVALUATION).is_file():
        return
    judged = _mapping(read_json(run / EVALUATION))
    for name, one in judged.items():
        said = _mapping(one)
        rate, span = said.get("success_rate"), said.get("wilson_95")
        if isinstance(rate, float) and isinstance(span, list) and len(span) == 2:
            episodes = len(said.get("successes", ()))
            interval = f"95 % interval {span[0]:.1%} to {span[1]:.1%}"
            yield f"success, {name}", f"{rate:.1%} of {episodes} episodes ({interval})"


def _kind(values: Mapping[str, Any], key: str) -> str:
    return str(_mapping(values.get(key)).get("kind", "unknown"))


def _mapping(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 (a file says anything)
    return value if isinstance(value, Mapping) else {}


def planners_of(run: Path) -> list[Path]:
    """List the planners of a run."""
    return sorted((run / "checkpoints").glob("*.safetensors"))
