"""Planners on disk: what is saved comes back, also from files of before there were mixers."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from configs.kinds import Kind
from perception.errors import InputError
from policy.planner.checkpoint import load_planner, save_planner
from policy.planner.denoisers.mixer import Config as MixerConfig
from policy.planner.denoisers.unet import Config as UnetConfig
from policy.planner.planner import Planner, PlannerConfig, Sizes

UNET = UnetConfig("unet", (16, 32), 1, 5, 8, 16, None)
LINEAR = UnetConfig("unet", (16, 32), 1, 5, 8, 16, 8)
MIXER = MixerConfig("mixer", 16, 2, 8, 32, 24)


def planner(net: Kind) -> Planner:
    torch.manual_seed(0)
    plan = PlannerConfig(2, 4, 3, "start", 100, 2, 1.0, "trailing", net)
    return Planner(plan, Sizes(3, 24, 6)).eval()


def rewrite(source: Path, target: Path, denoiser: dict[str, object]) -> None:
    """Copy a checkpoint with another description of its denoiser."""
    with safe_open(source, "pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    plan = {**json.loads(metadata["planner"]), "denoiser": denoiser}
    save_file(tensors, target, {**metadata, "planner": json.dumps(plan)})


@pytest.mark.parametrize("net", [UNET, LINEAR, MIXER])
def test_a_planner_comes_back(net: Kind, tmp_path: Path) -> None:
    saved = planner(net)
    save_planner(saved, tmp_path / "a.safetensors", {"task": "door"})
    loaded, about = load_planner(tmp_path / "a.safetensors")
    assert loaded.config == saved.config
    assert about == {"task": "door"}
    context, noises = torch.randn(1, 256), saved.noises([torch.Generator().manual_seed(0)])
    assert torch.equal(loaded.sample(context, noises).plan, saved.sample(context, noises).plan)


def test_a_checkpoint_of_before_there_were_mixers_is_a_unet(tmp_path: Path) -> None:
    saved, old = planner(UNET), tmp_path / "old.safetensors"
    save_planner(saved, tmp_path / "a.safetensors", {})
    described = asdict(UNET)
    del described["kind"], described["context_features"]
    rewrite(tmp_path / "a.safetensors", old, described)
    loaded, _ = load_planner(old)
    assert loaded.config == saved.config
    for name, tensor in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_a_checkpoint_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    save_planner(planner(UNET), tmp_path / "a.safetensors", {})
    rewrite(tmp_path / "a.safetensors", tmp_path / "b.safetensors", {"kind": "tree"})
    with pytest.raises(
        InputError, match=r"denoiser\.kind=tree is unknown; choose one of mixer, unet"
    ):
        load_planner(tmp_path / "b.safetensors")
