"""Planners on disk: whole files or none, and nothing that can run code."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from configs.build import build
from configs.files import write_whole
from perception.errors import InputError
from policy.planner.planner import Planner, PlannerConfig, Sizes


def save_planner(planner: Planner, path: Path, about: Mapping[str, Any]) -> None:
    """Write weights, normaliser and configuration as one safetensors file.

    Args:
        planner: What to save.
        path: The file; its folder is made.
        about: Further facts for whoever opens it (task, view, stage, step), kept as JSON.
    """
    metadata = {
        "planner": json.dumps(asdict(planner.config)),
        "sizes": json.dumps(asdict(planner.sizes)),
        "about": json.dumps(dict(about)),
    }
    tensors = {name: t.detach().cpu().contiguous() for name, t in planner.state_dict().items()}
    write_whole(path, lambda aside: save_file(tensors, aside, metadata))


def load_planner(path: Path) -> tuple[Planner, dict[str, Any]]:
    """Read a planner, ready to act, and what was said about it.

    Raises:
        InputError: There is no such file, or it is not a planner.
    """
    if not path.is_file():
        raise InputError(f"There is no checkpoint {path}: train first (policy/train.py)")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            sizes = _sizes(json.loads(metadata["sizes"]))
            planner = Planner(_config(json.loads(metadata["planner"]), sizes), sizes)
            planner.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise InputError(f"{path} is not a planner of this program: {error}") from error
    return planner.eval(), json.loads(metadata["about"])


def _sizes(values: Mapping[str, int]) -> Sizes:
    """Build the sizes; `robot_state` was `readings` in older files."""
    return build(Sizes, {"robot_state" if k == "readings" else k: n for k, n in values.items()})


def _config(values: Mapping[str, Any], sizes: Sizes) -> PlannerConfig:
    """Build the configuration, with what older files leave unsaid.

    The oldest know only U-Nets that take the context as it is; before there was a choice of
    encoders, data without points meant that the simulator's features were encoded.
    """
    denoiser, encoder = values["denoiser"], {"kind": "dp3" if sizes.channels else "state_only"}
    if "kind" not in denoiser:
        denoiser = {"kind": "unet", "context_features": None, **denoiser}
    return build(PlannerConfig, {"encoder": encoder, **values, "denoiser": denoiser})
