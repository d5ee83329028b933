"""Planners on disk: what is saved comes back, also from files that older versions wrote."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from configs.kinds import Kind
from perception.encoders import dp3, state_only
from perception.errors import InputError
from policy.planner.checkpoint import load_planner, save_planner
from policy.planner.config import DP3, Sizes
from policy.planner.denoisers.mixer import Config as MixerConfig
from policy.planner.denoisers.unet import Config as UnetConfig
from policy.planner.planner import Planner
from tests.helpers.small_planner import planner_config

UNET = UnetConfig("unet", (16, 32), 1, 5, 8, 16, None)
LINEAR = UnetConfig("unet", (16, 32), 1, 5, 8, 16, 8)
MIXER = MixerConfig("mixer", 16, 2, 8, 32, 24)


def planner(net: Kind, channels: int = 3, encoder: Kind = DP3) -> Planner:
    torch.manual_seed(0)
    plan = planner_config(net, prediction="start", sampling_steps=2, encoder=encoder)
    return Planner(plan, Sizes(channels, 24, 6)).eval()


def rewrite(source: Path, target: Path, **metadata: dict[str, object]) -> None:
    """Copy a checkpoint with other descriptions in it, and without a sum, as older ones are."""
    with safe_open(source, "pt") as file:
        before = {key: text for key, text in file.metadata().items() if key != "sha256"}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    changed = {name: json.dumps(value) for name, value in metadata.items()}
    save_file(tensors, target, {**before, **changed})


@pytest.mark.parametrize("net", [UNET, LINEAR, MIXER])
def test_a_planner_comes_back(net: Kind, tmp_path: Path) -> None:
    saved = planner(net)
    save_planner(saved, tmp_path / "a.safetensors", {"task": "door", "env": {"points": 512}})
    loaded, about = load_planner(tmp_path / "a.safetensors")
    assert loaded.config == saved.config
    assert about == {"task": "door", "env": {"points": 512}}
    context, noises = torch.randn(1, 256), saved.noises([torch.Generator().manual_seed(0)])
    assert torch.equal(loaded.sample(context, noises).plan, saved.sample(context, noises).plan)


@pytest.mark.parametrize(
    ("channels", "encoder"), [(3, dp3.Config("dp3")), (0, state_only.Config("state_only"))]
)
def test_the_oldest_checkpoints_are_understood(
    channels: int, encoder: Kind, tmp_path: Path
) -> None:
    # Without a choice of denoiser or encoder, and with another name for the robot's state.
    saved, old = planner(UNET, channels, encoder), tmp_path / "old.safetensors"
    save_planner(saved, tmp_path / "a.safetensors", {})
    plan, denoiser = asdict(saved.config), asdict(UNET)
    del (
        plan["encoder"],
        plan["use_clipped_model_output"],
        plan["temperature"],
        denoiser["kind"],
        denoiser["context_features"],
    )
    sizes = {"channels": channels, "readings": 24, "actions": 6}
    rewrite(tmp_path / "a.safetensors", old, planner={**plan, "denoiser": denoiser}, sizes=sizes)
    loaded, _ = load_planner(old)
    assert (loaded.config, loaded.sizes) == (saved.config, saved.sizes)
    for name, tensor in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("denoiser", "choose one of mixer, mlp, unet"),
        ("encoder", "choose one of dp3, resnet, state_only"),
    ],
)
def test_a_checkpoint_of_an_unknown_kind_is_refused(
    part: str, message: str, tmp_path: Path
) -> None:
    saved, changed = planner(UNET), tmp_path / "b.safetensors"
    save_planner(saved, tmp_path / "a.safetensors", {})
    plan = {**asdict(saved.config), part: {"kind": "tree"}}
    rewrite(tmp_path / "a.safetensors", changed, planner=plan)
    with pytest.raises(InputError, match=rf"{part}\.kind=tree is unknown; {message}"):
        load_planner(changed)
