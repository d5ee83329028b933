"""Checkpoints of DP3: the same weights and plans here, nothing of them run, damage named."""

import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch

from perception.errors import InputError
from perception.observation import Observation
from policy.planner.checkpoint import load_planner
from policy.planner.dp3.weights import our_name
from tests.helpers.commands import refuse, succeed
from tests.policy.planner import dp3_checkpoint as dp3
from tests.policy.planner.damaging import flipped, refused


@pytest.fixture(scope="module")
def latest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dp3")
    path = folder / "checkpoints" / "latest.ckpt"
    return dp3.write_checkpoint(path, dp3.weights_of(), dp3.config_of())


@pytest.mark.parametrize("blocks", [1, 2], ids=["Simple DP3", "DP3"])
@pytest.mark.parametrize("channels", [3, 6])
def test_weights_are_the_same_to_the_last_bit(blocks: int, channels: int, tmp_path: Path) -> None:
    weights = dp3.weights_of(blocks, channels)
    path = dp3.write_checkpoint(tmp_path / "latest.ckpt", weights, dp3.config_of())
    planner, about = load_planner(path)
    ours = planner.state_dict()
    assert about == {"task": "adroit-door", "stage": "dp3"}
    named = {our_name(name): t for name, t in weights.items() if "normalizer" not in name}
    named.pop("_dummy_variable")
    assert named.keys() == {name for name in ours if not name.startswith("normalizer.")}
    for name, tensor in named.items():
        assert torch.equal(ours[name], tensor), name


@pytest.mark.parametrize("blocks", [1, 2], ids=["Simple DP3", "DP3"])
@pytest.mark.parametrize("channels", [3, 6])
@pytest.mark.parametrize("prediction", ["sample", "epsilon"])
def test_plans_are_those_of_dp3(
    blocks: int, channels: int, prediction: str, tmp_path: Path
) -> None:
    diffusers: Any = pytest.importorskip("diffusers")
    weights = dp3.weights_of(blocks, channels)
    cfg = dp3.config_of(policy__noise_scheduler__prediction_type=prediction)
    planner, _ = load_planner(dp3.write_checkpoint(tmp_path / "latest.ckpt", weights, cfg))
    points, state = torch.randn(3, dp3.HISTORY, 50, channels), torch.randn(3, dp3.HISTORY, 24)
    noises = planner.noises([torch.Generator().manual_seed(seed) for seed in range(3)])
    scheduler = diffusers.DDIMScheduler(
        100, beta_schedule="squaredcos_cap_v2", prediction_type=prediction
    )
    scheduler.set_timesteps(10)
    context, theirs = dp3.encode(weights, points, state), noises[:, 0]
    for k in scheduler.timesteps:
        predicted = dp3.denoise(weights, theirs, int(k), context, blocks)
        theirs = scheduler.step(predicted, int(k), theirs).prev_sample
    with torch.no_grad():
        own_context = planner.encode(Observation(points, state))
        ours = planner.sample(own_context, noises).plan
    torch.testing.assert_close(own_context, context, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)
    below = "normalizer.params_dict.action"
    actions = (theirs - weights[f"{below}.offset"]) / weights[f"{below}.scale"]
    executed = planner.executed(actions).clamp(-1, 1)
    torch.testing.assert_close(planner.to_actions(ours), executed, rtol=1e-3, atol=1e-3)


class Program:
    """What runs when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_nothing_that_the_file_names_is_imported_or_run(tmp_path: Path) -> None:
    module = types.ModuleType("diffusion_policy_3d_elsewhere")
    kept: Any = type("Kept", (), {"__module__": module.__name__})
    module.Kept = kept
    sys.modules[module.__name__] = module
    path, mark = tmp_path / "latest.ckpt", tmp_path / "ran"
    try:
        more = {"pickles": {"kept": kept()}, "program": Program(mark)}
        dp3.write_checkpoint(path, dp3.weights_of(), dp3.config_of(), **more)
    finally:
        del sys.modules[module.__name__]
    load_planner(path)
    assert not mark.exists()
    assert module.__name__ not in sys.modules


VARIANTS: dict[str, tuple[dict[str, Any], str]] = {
    "attention": ({"policy__condition_type": "cross_attention_film"}, "only 'film'"),
    "another encoder": ({"policy__pointnet_type": "uni3d"}, "only 'pointnet'"),
    "v-prediction": ({"policy__noise_scheduler__prediction_type": "v_prediction"}, "choose one"),
    "another schedule": ({"policy__noise_scheduler__beta_schedule": "linear"}, "squaredcos"),
    "another sampler": ({"policy__noise_scheduler___target_": "x.DDPMScheduler"}, "DDIMScheduler"),
    "unclipped": ({"policy__noise_scheduler__clip_sample": False}, "clip_sample"),
    "another history": ({"n_obs_steps": 3}, "planner.history"),
    "text for a number": ({"horizon": "four"}, "no whole number"),
    "nothing for a number": ({"horizon": None}, "no horizon"),
    "a circle": ({"horizon": "${policy.horizon}"}, "refers to itself"),
}


@pytest.mark.parametrize(("changes", "message"), VARIANTS.values(), ids=VARIANTS.keys())
def test_a_variant_that_is_not_implemented_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    cfg = dp3.config_of(**changes)
    path = dp3.write_checkpoint(tmp_path / "latest.ckpt", dp3.weights_of(), cfg)
    assert message in refused(load_planner, path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model.final_conv.1.bias", None),
        ("obs_encoder.extractor.mlp.0.weight", None),
        ("normalizer.params_dict.action.scale", None),
        ("normalizer.params_dict.action.scale", torch.zeros(28)),
        ("model.final_conv.1.bias", torch.full((28,), torch.nan)),
        ("model.final_conv.1.bias", torch.zeros(28, dtype=torch.float64)),
        ("model.mid_modules.0.cond_encoder.1.bias", torch.zeros(3)),
        ("model.more.weight", torch.zeros(3)),
        ("obs_encoder.extractor.mlp.0.weight", torch.tensor(1.0)),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    name: str, value: torch.Tensor | None, tmp_path: Path
) -> None:
    weights: dict[str, Any] = {**dp3.weights_of(), name: value}
    kept = {name: tensor for name, tensor in weights.items() if tensor is not None}
    refused(load_planner, dp3.write_checkpoint(tmp_path / "latest.ckpt", kept, dp3.config_of()))


@pytest.mark.parametrize("contents", [[], {}, {"cfg": 3, "state_dicts": 4}, torch.zeros(2)])
def test_other_archives_are_refused(contents: Any, tmp_path: Path) -> None:  # noqa: ANN401
    torch.save(contents, tmp_path / "latest.ckpt")
    refused(load_planner, tmp_path / "latest.ckpt")


def test_no_flipped_bit_is_read_as_another_planner(latest: Path, tmp_path: Path) -> None:
    raw, damaged = latest.read_bytes(), tmp_path / "damaged.ckpt"
    wanted, about = load_planner(latest)
    for data in flipped(raw, range(len(raw))):
        damaged.write_bytes(data)
        try:
            planner, said = load_planner(damaged)
        except InputError:
            continue
        assert (planner.config, said) == (wanted.config, about)  # In `model`, which is not read.
        for name, tensor in planner.state_dict().items():
            assert torch.equal(tensor, wanted.state_dict()[name])


def test_it_is_evaluated_and_fine_tuned(latest: Path, tmp_path: Path) -> None:
    small = ("env=adroit-door", "env.episode_steps=6", "workers=0", "envs=1", "episodes=1")
    said = succeed(
        "policy/evaluate.py", f"checkpoint={latest}", f"out={tmp_path / 'a'}", *small, "gallery=0"
    )
    assert "is DP3's" in said
    succeed(
        "policy/train.py", "stage=finetune", f"init_from={latest}", f"out={tmp_path / 'run'}",
        "finetune=ppo_bc", "finetune.episodes=2", "finetune.initial_episodes=1",
        "finetune.initial_limit=1",
        "finetune.gradient_steps=1", "finetune.evaluate_every=0", *small,
    )  # fmt: skip
    tuned, _ = load_planner(tmp_path / "run" / "checkpoints" / "finetune.safetensors")
    assert tuned.config == load_planner(latest)[0].config


def test_the_converter_says_where_it_belongs(latest: Path, tmp_path: Path) -> None:
    line = refuse("datasets/convert.py", f"from={latest}", f"to={tmp_path / 'a.zarr'}")
    assert f"policy/evaluate.py checkpoint={latest}" in line
