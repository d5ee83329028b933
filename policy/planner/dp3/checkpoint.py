"""A planner out of a checkpoint of DP3, such as its `latest.ckpt`."""

import logging
import re
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from torch import Tensor

from configs.build import build
from datasets.behaviours.training_state import not_finite
from policy.planner.building import build_policy
from policy.planner.config import PlannerConfig, Sizes
from policy.planner.dp3.archive import Archive, TensorNote, as_group
from policy.planner.dp3.settings import Settings
from policy.planner.dp3.weights import our_weights
from policy.planner.policy import Policy

logger = logging.getLogger(__name__)

POLICIES = ("ema_model", "model")  # DP3 acts with the average, where it keeps one.
PREDICTIONS = {"sample": "start", "epsilon": "noise"}
WANTED = {  # What is implemented here, and what holds where a configuration does not say it.
    "policy.condition_type": ("film", "film"),
    "policy.obs_as_global_cond": (True, True),
    "policy.use_down_condition": (True, True),
    "policy.use_mid_condition": (True, True),
    "policy.use_up_condition": (True, True),
    "policy.pointnet_type": ("pointnet", "pointnet"),
    "policy.n_groups": (8, 8),
    "policy.noise_scheduler.beta_schedule": ("squaredcos_cap_v2", "linear"),
    "policy.noise_scheduler.clip_sample": (True, True),
    "policy.noise_scheduler.set_alpha_to_one": (True, True),
    "policy.noise_scheduler.steps_offset": (0, 0),
}


def load_dp3(path: Path) -> tuple[Policy, dict[str, Any]]:
    """Read a planner, and its task's name; nothing that the file names is imported or called.

    The weights are DP3's to the last bit. It samples as DP3's configuration says, by DDIM.

    Raises:
        ValueError: It is no checkpoint of DP3, or of a variant that is not implemented here.
    """
    with closing(Archive(path)) as archive:
        contents = as_group(archive.contents(), "of a checkpoint")
        theirs = _policy(contents, archive)
    settings, sizes = Settings(contents.get("cfg")), _sizes(theirs)
    weights = our_weights(theirs, sizes.channels)
    if (name := not_finite(weights)) is not None:
        raise ValueError(f"its training diverged, {name} is not finite (NaN or infinite)")
    planner = build_policy(_config(settings, theirs), sizes, weights)
    logger.warning(
        "%s is DP3's: its clouds must be seen here as it learned them. Those that DP3's own scripts"
        " make are in another frame; those of convert.py target=dp3 are as here",
        path,
    )
    return planner, {"task": _task(settings), "stage": "dp3"}


def _policy(contents: Mapping[str, Any], archive: Archive) -> dict[str, Tensor]:
    """Read the weights of the policy that acts."""
    policies = as_group(contents.get("state_dicts"), "state_dicts")
    chosen = next((name for name in POLICIES if name in policies), POLICIES[-1])
    notes = as_group(policies.get(chosen), f"state_dicts.{chosen}").items()
    return {str(name): archive.tensor(note) for name, note in notes if isinstance(note, TensorNote)}


def _sizes(theirs: Mapping[str, Tensor]) -> Sizes:
    """Read the dimensions off the weights."""
    return Sizes(
        channels=theirs["obs_encoder.extractor.mlp.0.weight"].shape[1],
        robot_state=theirs["obs_encoder.state_mlp.0.weight"].shape[1],
        actions=len(theirs["model.final_conv.1.bias"]),
    )


def _config(settings: Settings, theirs: Mapping[str, Tensor]) -> PlannerConfig:
    """Read how it plans off the configuration, and the network's sizes off the weights."""
    for key, (wanted, default) in WANTED.items():
        settings.must_be(key, wanted, default)
    if not str(settings.value("policy.noise_scheduler._target_")).endswith("DDIMScheduler"):
        raise ValueError("its noise scheduler is not DDIMScheduler, the only one that is read")
    prediction = settings.value("policy.noise_scheduler.prediction_type", "epsilon")
    if prediction not in PREDICTIONS:
        raise ValueError(f"it predicts {str(prediction)[:40]!r}; choose one of sample, epsilon")
    steps = settings.whole("policy.noise_scheduler.num_train_timesteps", 1000)
    values = {
        "history": settings.whole("policy.n_obs_steps"),
        "horizon": settings.whole("policy.horizon"),
        "chunk": settings.whole("policy.n_action_steps"),
        "prediction": PREDICTIONS[prediction],
        "denoising_steps": steps,
        "sampling_steps": settings.whole("policy.num_inference_steps", steps),
        "eta": 0.0,
        "spacing": "leading",
        "use_clipped_model_output": False,
        "encoder": {"kind": "dp3"},
        "denoiser": _denoiser(theirs),
    }
    return build(PlannerConfig, values)


def _denoiser(theirs: Mapping[str, Tensor]) -> dict[str, Any]:
    levels = _count(theirs, r"model\.down_modules\.(\d+)\.0\.blocks\.0\.block\.0\.weight")
    first = [
        theirs[f"model.down_modules.{level}.0.blocks.0.block.0.weight"] for level in range(levels)
    ]
    return {
        "kind": "unet",
        "widths": [weight.shape[0] for weight in first],
        "blocks": _count(theirs, r"model\.mid_modules\.(\d+)\.blocks\.0\.block\.0\.weight"),
        "kernel": theirs["model.final_conv.0.block.0.weight"].shape[-1],
        "groups": WANTED["policy.n_groups"][0],
        "step_features": theirs["model.diffusion_step_encoder.1.weight"].shape[1],
        "context_features": None,
    }


def _count(theirs: Mapping[str, Tensor], pattern: str) -> int:
    return sum(bool(re.fullmatch(pattern, name)) for name in theirs)


def _task(settings: Settings) -> str:
    """Name the task as here: DP3's Meta-World tasks do not name their simulator."""
    name = str(settings.value("task.name", "unknown")).replace("_", "-")
    runner = str(settings.value("task.env_runner._target_", ""))
    family = next((f for f in ("metaworld", "adroit") if f in runner), "")
    return name if not family or name.startswith(family) else f"{family}-{name}"
