"""Laws of every denoiser, those from outside the repository among them."""

from pathlib import Path
from typing import Any

import pytest
import torch

from configs.build import build
from configs.command import compose
from configs.kinds import Kind, kinds, make_kind
from perception.errors import InputError
from policy.pipeline.config import TrainConfig
from policy.pipeline.identity import settled_recipe
from policy.planner.checkpoint import load_planner, save_planner
from policy.planner.config import DENOISERS, PlannerConfig, Sizes
from policy.planner.denoisers.denoiser import Denoiser
from policy.planner.denoisers.mixer import Config as MixerConfig
from policy.planner.denoisers.mlp import Config as MLPConfig
from policy.planner.denoisers.unet import Config as UnetConfig
from policy.planner.planner import Planner
from tests.helpers.own.denoiser import CrossAttention
from tests.helpers.small_planner import planner_config

OWN = "tests.helpers.own.denoiser:CrossAttention"
CONFIGS: list[Kind] = [
    UnetConfig("unet", (16, 32, 48), 1, 5, 8, 16, None),
    MixerConfig("mixer", 32, 2, 8, 64, 32),
    MLPConfig("mlp", 32, 8),
    CrossAttention.Config(OWN, 16),
]
ADROIT, META_WORLD = "env=adroit-door", "env=metaworld"
every_denoiser = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)


def lively(config: Kind, horizon: int = 4) -> Denoiser[Any]:
    """Make a denoiser whose conditions matter: some start at zero."""
    torch.manual_seed(0)
    net = make_kind(DENOISERS, config, horizon, 6, 12)
    for weight in net.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    return net.eval()


def inputs(batch: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return torch.randn(batch, 4, 6), torch.tensor([5, 50, 99][:batch]), torch.randn(batch, 12)


def test_each_file_is_a_choice() -> None:
    assert kinds(DENOISERS) == ["mixer", "mlp", "unet"]
    assert {config.kind for config in CONFIGS} == {"mixer", "mlp", "unet", OWN}


@every_denoiser
def test_conditions_computed_ahead_change_nothing(config: Kind) -> None:
    net, (noisy, k, context) = lively(config), inputs()
    with torch.no_grad(), net.fixed_weights():
        together = net(noisy, k, context)
        apart = net.denoise(noisy, net.conditions(k, context))
    assert together.shape == noisy.shape
    torch.testing.assert_close(apart, together)


@every_denoiser
def test_conditions_of_all_steps_are_those_of_each(config: Kind) -> None:
    net, (noisy, _, context) = lively(config), inputs()
    grid = torch.tensor([99, 50, 0])
    with torch.no_grad():
        conditions = net.conditions_of_steps(grid, context)
        assert len(conditions) == len(grid)
        for k, of_step in zip(grid, conditions, strict=True):
            expected = net(noisy, k.repeat(3), context)
            torch.testing.assert_close(net.denoise(noisy, of_step), expected, rtol=1e-4, atol=1e-5)


@every_denoiser
def test_everything_matters_everywhere_in_the_chunk(config: Kind) -> None:
    net, (noisy, k, context) = lively(config), inputs(1)
    before = net(noisy, k, context)
    first = torch.cat([noisy[:, :1] + 1, noisy[:, 1:]], dim=1)
    changed = [net(noisy, k + 1, context), net(noisy, k, -context)]
    if config.kind != OWN:  # Its steps do not see each other.
        changed.append(net(first, k, context))
    for other in changed:
        assert ((other - before).abs().amax(dim=-1) > 0).all()


@every_denoiser
def test_a_planner_of_any_denoiser_samples_learns_and_is_saved(
    config: Kind, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    plan = planner_config(config, prediction="start")
    planner, context = Planner(plan, Sizes(3, 24, 6)).eval(), torch.randn(2, 256)
    noises = planner.noises([torch.Generator().manual_seed(seed) for seed in range(2)])
    chain = planner.sample(context, noises)
    for position in (0, 9):
        index = torch.full((2,), position)
        step = planner.step(chain.samples[:, position], index, context, min_std=0.0)
        torch.testing.assert_close(step.mean, chain.means[:, position], rtol=1e-4, atol=1e-5)
    planner.denoising_loss(context, chain.plan).backward()
    assert all(weight.grad is not None for weight in planner.denoiser.parameters())
    save_planner(planner, tmp_path / "a.safetensors", {})
    loaded, _ = load_planner(tmp_path / "a.safetensors")
    assert loaded.config == plan
    assert torch.equal(loaded.sample(context, noises).plan, chain.plan)


@pytest.mark.parametrize(
    ("denoiser", "task", "actions", "parameters"),
    [
        ("mixer", ADROIT, 28, 720_004),
        ("mixer", META_WORLD, 4, 711_292),
        ("unet-small", ADROIT, 28, 666_652),
        ("unet-simple", ADROIT, 28, 7_396_764),
        ("unet-dp3", ADROIT, 28, 255_160_476),
        ("unet-cleandiffuser", META_WORLD, 4, 68_949_252),  # The paper: 68.9 million.
    ],
)
def test_sizes_are_those_in_the_files(
    denoiser: str, task: str, actions: int, parameters: int
) -> None:
    whole = compose(TrainConfig, "train", [f"denoiser={denoiser}", task])
    config = settled_recipe(whole, whole.task.env).planner
    with torch.device("meta"):
        net = make_kind(DENOISERS, config.denoiser, config.horizon, actions, 256)
    assert sum(p.numel() for p in net.parameters()) == parameters


def test_a_horizon_that_cannot_be_halved_is_refused() -> None:
    with pytest.raises(InputError, match="horizon=6 must be a multiple of 4"):
        make_kind(DENOISERS, CONFIGS[0], 6, 6, 12)


@pytest.mark.parametrize(
    ("denoiser", "message"),
    [
        ({"kind": "tree"}, "denoiser.kind=tree is unknown; choose one of mixer, mlp, unet"),
        ({"kind": "nowhere:Net"}, "denoiser.kind=nowhere:Net does not import"),
        ({"kind": OWN, "depth": 2}, "Unknown key denoiser.depth; there are kind, width"),
        ({"width": 2}, "Missing key denoiser.kind; choose one of mixer, mlp, unet"),
    ],
)
def test_what_is_no_denoiser_is_refused_by_its_key(
    denoiser: dict[str, object], message: str
) -> None:
    plan = {"history": 2, "horizon": 4, "chunk": 3, "prediction": "start", "denoising_steps": 100}
    more = {"sampling_steps": 10, "eta": 1.0, "spacing": "trailing", "denoiser": denoiser}
    with pytest.raises(InputError, match=message):
        build(PlannerConfig, {**plan, **more})
