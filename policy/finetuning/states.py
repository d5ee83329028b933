"""The training state of a fine-tuning on disk, also as it was written before."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from datasets.behaviours.training_state import load_state
from perception.errors import InputError
from policy.rollouts.rollout import ChunkData, EpisodeData

ALGORITHM = ("gradient_steps", "optimizer", "replay", "target", "generator")
RENAMED = {"played": "valid", "state": "robot_state"}
CHUNKS, EPISODES = ({field.name for field in fields(kind)} for kind in (ChunkData, EpisodeData))


def read_experience(path: Path, *, by_start: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read what a finished fine-tuning has played: the states of its two buffers.

    Args:
        path: Its `finetune-state.pt`.
        by_start: Whether episodes of equal start are to be compared with each other.

    Raises:
        InputError: There is no such file, it is another, or no two episodes began alike.
    """
    state = _of_algorithm(path)
    if not {"replay", "target"} <= state.keys():
        raise InputError(f"{path} is not the state of a fine-tuning with chains (finetune=ppo_bc)")
    replay = state["replay"]
    if replay is None or not _is_rollout(replay):
        raise InputError(f"{path} is another version's: its episodes are to be played anew")
    starts = replay["episodes"]["starts"]
    if by_start and len(starts.unique()) == len(starts):
        raise InputError(f"In {path} no two episodes began alike: finetune.group_size=1")
    return replay, state["target"]


def read_decisions(path: Path) -> dict[str, Any]:
    """Read what a finished fine-tuning has decided: the part of its algorithm.

    Raises:
        InputError: There is no such file, or it is another.
    """
    state = _of_algorithm(path)
    if not {"decisions", "target"} <= state.keys():
        raise InputError(f"{path} is not the state of a fine-tuning with critics")
    return state


def _of_algorithm(path: Path) -> dict[str, Any]:
    """Read the algorithm's part of a training state.

    Raises:
        InputError: There is no such file.
    """
    if not path.exists():
        raise InputError(
            f"There is no experience {path}: give"
            " finetune.experience=<a finished run>/checkpoints/finetune-state.pt"
        )
    own: dict[str, Any] = as_written_now(load_state(path) or {}).get("algorithm", {})
    return own


def as_written_now(state: Mapping[str, Any]) -> dict[str, Any]:
    """Bring a training state into today's form; older ones had no part of the algorithm's own."""
    if "algorithm" in state:
        own = state["algorithm"]
        if "replay" not in own or own["replay"] is None:
            return dict(state)
        return {**state, "algorithm": {**own, "replay": _completed(own["replay"])}}
    if "replay" not in state:
        return dict(state)
    rest = {name: value for name, value in state.items() if name not in ALGORITHM}
    own = {name: state[name] for name in ALGORITHM if name in state}
    target = [{**e, "chunks": _renamed(e["chunks"])} for e in state.get("target", [])]
    return {**rest, "algorithm": {**own, "replay": _nested(state["replay"]), "target": target}}


def _nested(replay: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Part the values of chunks from those of episodes."""
    if replay is None:
        return None
    values = _renamed(replay)
    episodes = {name: value for name, value in values.items() if name in EPISODES}
    chunks = {name: value for name, value in values.items() if name not in EPISODES}
    return _completed({"chunks": chunks, "episodes": episodes})


def _completed(replay: Mapping[str, Any]) -> dict[str, Any]:
    """Say what older states had no word for; what was followed is then the end of a chain."""
    chunks, episodes = dict(replay["chunks"]), dict(replay["episodes"])
    if "valid" in chunks:  # Once nothing told when an episode had succeeded.
        episodes.setdefault("until_success", chunks["valid"].sum(dim=0))
    if "plans" not in chunks and "samples" in chunks:
        chunks["plans"] = chunks["samples"][:, :, -1]
        chunks["candidates"] = chunks["plans"][:, :, None][:, :, :0]
    if "contexts" in chunks:  # Younger than those states are the simulator's features beside them.
        chunks.setdefault("features", chunks["contexts"][:, :, :0])
    return {**replay, "chunks": chunks, "episodes": episodes}


def _renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {RENAMED.get(name, name): value for name, value in values.items()}


def _is_rollout(replay: Mapping[str, Any]) -> bool:
    return set(replay["chunks"]) == CHUNKS and set(replay["episodes"]) == EPISODES
