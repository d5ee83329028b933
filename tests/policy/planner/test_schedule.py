"""The noise schedule: diffusers' numbers, and densities worked by hand."""

import math
from typing import Any

import pytest
import torch

from policy.planner.schedule import Prediction, Schedule, Spacing, log_probability

diffusers = pytest.importorskip("diffusers")
K = 100


def diffusers_ddim(spacing: Spacing, prediction: Prediction) -> Any:  # noqa: ANN401
    return diffusers.DDIMScheduler(
        num_train_timesteps=K,
        beta_schedule="squaredcos_cap_v2",
        clip_sample=True,
        set_alpha_to_one=True,
        prediction_type="epsilon" if prediction == "noise" else "sample",
        timestep_spacing=spacing,
    )


def test_the_cosine_schedule_is_diffusers() -> None:
    theirs = diffusers_ddim("leading", "noise").alphas_cumprod
    torch.testing.assert_close(
        Schedule.cosine(K, 10, 1.0, "leading").alpha_bar, theirs, rtol=1e-4, atol=1e-7
    )


@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("prediction", ["noise", "start"])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("clipped", [True, False])
def test_every_ddim_step_is_diffusers(
    spacing: Spacing, prediction: Prediction, eta: float, *, clipped: bool
) -> None:
    torch.manual_seed(0)
    theirs = diffusers_ddim(spacing, prediction)
    theirs.set_timesteps(10)
    ours = Schedule.cosine(K, 10, eta, spacing)
    assert theirs.timesteps.tolist() == ours.grid.tolist()
    for position, k in enumerate(theirs.timesteps):
        noisy, noise = torch.randn(3, 4, 5), torch.randn(3, 4, 5)
        predicted = torch.randn(3, 4, 5)
        index = torch.full((3,), position)
        step = ours.step(
            predicted,
            noisy,
            index,
            prediction=prediction,
            min_std=0.0,
            use_clipped_model_output=clipped,
        )
        expected = theirs.step(
            predicted,
            int(k),
            noisy,
            eta=eta,
            use_clipped_model_output=clipped,
            variance_noise=noise,
        ).prev_sample
        torch.testing.assert_close(step.mean + step.std * noise, expected, rtol=1e-3, atol=1e-4)


def test_ddpm_is_ddim_with_every_step_and_all_its_noise() -> None:
    torch.manual_seed(0)
    theirs = diffusers.DDPMScheduler(
        K, beta_schedule="squaredcos_cap_v2", clip_sample=True, variance_type="fixed_small"
    )
    ours = Schedule.cosine(K, K, 1.0, "trailing")
    for k in (99, 60, 20, 1):
        noisy, predicted = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
        index = torch.full((2,), K - 1 - k)
        step = ours.step(predicted, noisy, index, prediction="noise", min_std=0.0)
        variance = theirs._get_variance(k)
        assert step.std.flatten()[0] ** 2 == pytest.approx(float(variance), rel=2e-3)
        theirs.set_timesteps(K)
        generator = torch.Generator().manual_seed(k)
        sample = theirs.step(predicted, k, noisy, generator=generator).prev_sample
        generator.manual_seed(k)
        noise = torch.randn(noisy.shape, generator=generator)
        torch.testing.assert_close(sample - step.std * noise, step.mean, rtol=5e-3, atol=2e-3)


def test_stds_are_those_computed_for_ddim_10() -> None:
    expected = [0.988, 0.831, 0.687, 0.578, 0.488, 0.407, 0.327, 0.243, 0.144, 0.0]
    schedule = Schedule.cosine(K, 10, 1.0, "trailing")
    assert schedule.reverse[:, -1].tolist() == pytest.approx(expected, abs=1e-3)
    zeros, index = torch.zeros(10, 1, 1), torch.arange(10)
    step = schedule.step(zeros, zeros, index, prediction="start", min_std=0.1)
    assert step.std.flatten().tolist() == pytest.approx([*expected[:-1], 0.1], abs=1e-3)


def test_noise_is_added_by_the_forward_process() -> None:
    schedule = Schedule.cosine(K, 10, 1.0, "trailing")
    clean, noise = torch.ones(1, 1, 1), torch.full((1, 1, 1), 2.0)
    alpha_bar = schedule.alpha_bar[30].item()
    expected = math.sqrt(alpha_bar) + 2 * math.sqrt(1 - alpha_bar)
    assert schedule.add_noise(clean, noise, torch.tensor([30])).item() == pytest.approx(expected)


def test_a_perfect_prediction_leads_back_to_the_clean_chunk() -> None:
    torch.manual_seed(0)
    schedule = Schedule.cosine(K, 10, 0.0, "trailing")
    clean, noisy = torch.rand(2, 4, 3) * 2 - 1, torch.randn(2, 4, 3)
    for position in range(10):
        index = torch.full((2,), position)
        noisy = schedule.step(clean, noisy, index, prediction="start", min_std=0.0).mean
    torch.testing.assert_close(noisy, clean)


def test_the_log_probability_is_the_normal_density() -> None:
    schedule = Schedule.cosine(K, 10, 1.0, "trailing")
    step = schedule.step(
        torch.zeros(1, 2, 1),
        torch.randn(1, 2, 1),
        torch.tensor([3]),
        prediction="start",
        min_std=0.0,
    )
    sample = torch.randn(1, 2, 1)
    expected = torch.distributions.Normal(step.mean, step.std).log_prob(sample)
    torch.testing.assert_close(log_probability(sample, step), expected)


def test_steps_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="evenly"):
        Schedule.cosine(100, 7, 1.0, "trailing")
