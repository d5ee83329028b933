"""What must agree to continue a store, and how stores made before today's keys said it.

A store's attribute `identity` holds everything that decides its numbers: the task, who acted, the
seed, the format. Stores stay as they were written; whoever compares or reads an identity upgrades
it first.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from datasets.store.provenance import named
from envs.config import upgrade_env

USUAL_RANDOM = {"noise": [0.0, 0.0], "random_share": [1.0, 1.0]}


def upgrade_identity(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Say what an identity says in today's keys; one of today's stays as it is.

    Pictures were drawn by OpenGL alone, as the camera hung, before there was a choice.
    """
    today = dict(identity)
    for key, upgrade in UPGRADES.items():
        if key in identity:
            today[key] = upgrade(identity[key])
    pictures = "env" in identity and "img" in (identity.get("images") or ())
    if pictures and "image" not in identity["env"]["view"]:
        today["env"]["view"]["image"] = "gl_turned"
    return today


def _upgrade_behaviour(said: dict[str, Any]) -> dict[str, Any]:
    """Give a behaviour its kind, and only its own keys; all once had the keys of all."""
    if "name" not in said:
        return _without_place(said)
    upgrade = BEHAVIOURS.get(said["name"])
    return _without_place(upgrade(said) if upgrade else {"kind": said["name"]})


def _without_place(said: dict[str, Any]) -> dict[str, Any]:
    """Name files as stores do today, without where they lie on a machine."""
    return {
        key: _without_place(value)
        if isinstance(value, dict)
        else (named(Path(value)) if isinstance(value, str) and value.startswith("/") else value)
        for key, value in said.items()
    }


def _agent(said: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "state_agent", **_demonstrator(said)}


def _scripted(said: dict[str, Any]) -> dict[str, Any]:
    noise = {key: value for key, value in _demonstrator(said).items() if key != "path"}
    return {"kind": "scripted", **noise}


def _random(said: dict[str, Any]) -> dict[str, Any]:
    """Name uniform actions; ranges that no command can ask for any more stay to tell it apart."""
    ranges = {key: said[key] for key in USUAL_RANDOM}
    return {"kind": "uniform", **({} if ranges == USUAL_RANDOM else ranges)}


def _replay(said: dict[str, Any]) -> dict[str, Any]:
    replay = {**said["replay"], "learning": _upgrade_learning(said["replay"]["learning"])}
    return {"kind": "rl_replay", "demonstrator": _demonstrator(said), "replay": replay}


def _planner(said: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "planner", "checkpoint": said["checkpoint"]}


def _demonstrator(said: dict[str, Any]) -> dict[str, Any]:
    return {key: said[key] for key in ("path", "noise", "random_share")}


def _upgrade_learning(said: dict[str, Any]) -> dict[str, Any]:
    """Give the step of an agent's target critics the name it has in the field."""
    rlpd = {"tau" if key == "smoothing" else key: value for key, value in said["rlpd"].items()}
    return {**said, "rlpd": rlpd}


Upgrade = Callable[[dict[str, Any]], dict[str, Any]]
BEHAVIOURS: dict[str, Upgrade] = {
    "agent": _agent,
    "scripted": _scripted,
    "random": _random,
    "replay": _replay,
    "planner": _planner,
}
UPGRADES: dict[str, Upgrade] = {
    "env": upgrade_env,
    "behaviour": _upgrade_behaviour,
    "demonstrator": _without_place,
    "learning": _upgrade_learning,
}
