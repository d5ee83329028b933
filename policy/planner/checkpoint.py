"""Planners on disk: whole files or none, summed up, and nothing that can run code."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from configs.build import build
from perception.errors import InputError
from policy.planner.building import BEFORE, build_policy, policy_config
from policy.planner.config import Sizes
from policy.planner.dp3.archive import is_archive
from policy.planner.dp3.checkpoint import load_dp3
from policy.planner.planner import Planner
from policy.planner.policy import Policy
from policy.planner.tensor_file import REFUSED, Contents, read_tensors, said_of, write_tensors

DESCRIPTIONS = ("planner", "sizes", "about")


def save_planner(planner: Policy, path: Path, about: Mapping[str, Any]) -> None:
    """Write weights, normaliser and configuration as one safetensors file, with their SHA-256.

    Args:
        planner: What to save.
        path: The file; its folder is made.
        about: Further facts for whoever opens it (task, view, stage, step), kept as JSON.

    Raises:
        InputError: A weight is not finite; what was there before stays.
        OSError: The disk is full, or the like; what was there before stays, too.
    """
    metadata = {
        "planner": json.dumps(asdict(planner.config)),
        "sizes": json.dumps(asdict(planner.sizes)),
        "about": json.dumps(dict(about)),
    }
    write_tensors(path, Contents(metadata, planner.state_dict()))


def load_planner(path: Path) -> tuple[Planner, dict[str, Any]]:
    """Read a diffusion planner, ready to act, and what was said about it; see `load_policy`.

    Raises:
        InputError: As there, or it is a policy of another kind.
    """
    policy, about = load_policy(path)
    return as_planner(policy, path), about


def as_planner(policy: Policy, path: Path) -> Planner:
    """Take a policy for the diffusion planner that it must be.

    Raises:
        InputError: It is of another kind.
    """
    if isinstance(policy, Planner):
        return policy
    raise InputError(
        f"{path} is a policy of kind {policy.config.kind}, which has no denoising steps: it is"
        " trained by stage=pretrain, evaluated and viewed, and nothing else"
    )


def tempered(policy: Policy, temperature: float | None, path: Path) -> Policy:
    """Have a planner of a file act at a temperature; None: at its own.

    Raises:
        InputError: It is a policy that has none.
    """
    return policy if temperature is None else as_planner(policy, path).at_temperature(temperature)


def load_policy(path: Path) -> tuple[Policy, dict[str, Any]]:
    """Read a policy, ready to act, and what was said about it; also a checkpoint of DP3.

    Raises:
        InputError: There is no such file, or it is not a planner, is damaged, or diverged.
    """
    if not path.is_file():
        raise InputError(f"There is no checkpoint {path}: train first (policy/train.py)")
    try:
        policy, about = load_dp3(path) if is_archive(path) else _load(path)
    except REFUSED as error:
        raise InputError(
            f"{path} is not a planner of this program, or is damaged: {said_of(error)}"
        ) from error
    policy.task = str(about.get("task", ""))
    return policy.eval(), about


def _load(path: Path) -> tuple[Policy, dict[str, Any]]:
    """Read a planner of ours, and what was said about it."""
    contents = read_tensors(path, DESCRIPTIONS)
    planner, sizes, about = (json.loads(contents.metadata[key]) for key in DESCRIPTIONS)
    _check_about(about)
    return _built(planner, sizes, contents.tensors), about


def _check_about(about: Any) -> None:  # noqa: ANN401 (whatever the file says)
    """Refuse facts that are none.

    Raises:
        ValueError: They are not a group, or the task has no name or is seen in no way.
    """
    wanted = {"task": str, "env": dict}
    if not isinstance(about, dict):
        raise ValueError("what is said about it is no group of keys")
    for key, kind in wanted.items():
        if key in about and not isinstance(about[key], kind):
            raise ValueError(f"what is said about its {key} is a {type(about[key]).__name__}")


def _built(
    planner: Mapping[str, Any], sizes: Mapping[str, int], tensors: Mapping[str, Tensor]
) -> Policy:
    """Build the policy that is described, with what older files say otherwise or leave unsaid.

    `robot_state` was `readings`. The oldest know only U-Nets that take the context as it is; before
    there was a choice of encoders, data without points meant that the simulator's features were
    encoded.
    """
    if planner.get("kind", BEFORE) != BEFORE:
        return build_policy(policy_config(planner), build(Sizes, sizes), tensors)
    named = {"robot_state" if key == "readings" else key: n for key, n in sizes.items()}
    dimensions = build(Sizes, named)
    denoiser = planner["denoiser"]
    if "kind" not in denoiser:
        denoiser = {"kind": "unet", "context_features": None, **denoiser}
    encoder = {"kind": "dp3" if dimensions.channels else "state_only"}
    values = {"encoder": encoder, **planner, "denoiser": denoiser}
    return build_policy(policy_config(values), dimensions, tensors)
