"""Laws of MTDiff: causal attention, guidance, the first action's weight, whose prompts it takes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from datasets.collection.further import Further, Prompts
from datasets.windows import Windows
from perception.encoders import state_only
from perception.errors import InputError
from perception.observation import Observation
from policy.planner.causal import CausalTransformer
from policy.planner.checkpoint import load_policy, save_planner
from policy.planner.config import Sizes
from policy.planner.policies import mtdiff
from policy.planner.schedule import Schedule

SIZES = Sizes(channels=0, robot_state=3, actions=2)
FEATURES = 128  # Of what the encoder makes.
CONFIG = mtdiff.Config(
    kind="mtdiff", history=2, horizon=4, chunk=1, encoder=state_only.Config(kind="state_only"),
    width=32, layers=2, heads=2, dropout=0.0, prompt=3, examples=2, prompted="as_described",
    denoising_steps=20, sampling_steps=10, guidance=1.2, unguided=0.2, wanted=0.9,
    tasks=("close", "open"),
)  # fmt: skip


def made(**changes: Any) -> mtdiff.MtDiff:  # noqa: ANN401
    torch.manual_seed(0)
    policy = mtdiff.make(replace(CONFIG, **changes), SIZES).eval()
    torch.nn.init.normal_(policy.network.places)
    return policy


def context(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 2 * FEATURES + 3 * (FEATURES + 2) + 1, generator=generator)


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def windows() -> Windows:
    """Two episodes of one task and one of another, six steps each; a step tells its number."""
    steps = torch.arange(18.0)[:, None]
    rows = torch.tensor([[0, 1, 2, 3], [6, 7, 8, 9], [12, 13, 14, 15]])
    ends, tasks = torch.tensor([6, 12, 18]), torch.tensor([1, 1, 0])
    prompts = Prompts(ends, tasks, torch.ones(3, dtype=torch.bool), CONFIG.tasks, CONFIG.prompt)
    seen = Observation(torch.zeros(18, 0, 0), steps.expand(-1, 3))
    whole = Windows(seen, steps.expand(-1, 2).contiguous(), rows, 2)
    return whole.telling(Further(steps[:, 0], prompts))


@torch.no_grad()
def test_a_token_changes_nothing_before_it() -> None:
    torch.manual_seed(0)
    net = CausalTransformer(32, 3, 2, 0.1).eval()
    tokens = torch.randn(2, 9, 32)
    before = net(tokens)
    for j in (0, 4, 8):
        other = tokens.clone()
        other[:, j] += 1
        after = net(other)
        assert after[:, :j].equal(before[:, :j])
        assert not (after[:, j:] == before[:, j:]).all(dim=-1).any()


def test_the_schedule_preserves_the_variance() -> None:
    schedule = Schedule.vp(200, 200, 1.0, "trailing")
    beta = 1 - schedule.alpha_bar[1:] / schedule.alpha_bar[:-1]
    # The noise of a step grows linearly from 0.1 / 200 to 10 / 200 of the whole.
    wanted = 1 - torch.exp(-0.1 / 200 - 9.9 * (2 * torch.arange(2, 201) - 1) / (2 * 200**2))
    assert torch.allclose(beta, wanted, atol=1e-5)
    assert schedule.alpha_bar[-1] == pytest.approx(torch.tensor(-5.05).exp().item(), rel=1e-4)


@torch.no_grad()
def test_guidance_of_one_is_told_the_return_and_of_none_is_not() -> None:
    noisy, k, known = torch.randn(5, 4, 2), torch.arange(5), context(5)
    other = torch.cat([known[:, :-1], known[:, -1:] + 1], dim=1)
    for guidance, told in ((1.0, True), (0.0, False)):
        policy = made(guidance=guidance)
        alone = policy.network(noisy, k, known, torch.full((5,), told))
        assert torch.allclose(policy.guided(noisy, k, known), alone, atol=1e-5)
        same = torch.allclose(policy.guided(noisy, k, other), alone, atol=1e-5)
        assert same != told


def test_the_action_to_be_taken_now_weighs_ten_times() -> None:
    policy, actions = made(), torch.zeros(6, 4, 2)
    found_noise = list[Tensor]()
    noise, _, told = policy.draw(6, torch.Generator().manual_seed(0))
    noise[:] = 0.1  # So that errors, and with them slopes, differ by the weight alone.
    policy.network.noise.weight.data.zero_()
    policy.network.noise.bias.data.zero_()
    policy.network.register_forward_hook(lambda _, __, found: found_noise.append(found))
    loss = policy.loss_of(context(6), actions, (noise, torch.zeros(6, dtype=torch.long), told))
    (slope,) = torch.autograd.grad(loss, found_noise)
    assert torch.allclose(slope[:, 1], 10 * slope[:, 0])
    assert torch.allclose(slope[:, 2], slope[:, 0])


def test_a_prompt_is_of_another_episode_of_the_same_task_where_there_is_one() -> None:
    whole = windows()
    generator = torch.Generator().manual_seed(0)
    batch = whole.batch(torch.tensor([0, 1, 2]).repeat(50), whole.draw(150, generator))
    assert batch.prompt is not None
    assert batch.returns is not None
    first = batch.prompt.actions[..., 0].unflatten(0, (50, 3))
    assert (first.diff(dim=2) == 1).all()
    for window, episode in enumerate([(6, 12), (0, 6), (12, 18)]):  # The last has none beside it.
        seen = first[:, window]
        assert seen.min() == episode[0]
        assert seen.max() == episode[1] - 1
    assert batch.prompt.observations.robot_state[..., 0].equal(batch.prompt.actions[..., 0])
    assert batch.returns[:3].tolist() == [1, 7, 13]
    assert whole[torch.tensor([0])].prompt is None


def test_an_episode_shorter_than_a_prompt_repeats_its_end() -> None:
    ends, tasks = torch.tensor([2]), torch.tensor([0])
    short = Prompts(ends, tasks, torch.ones(1, dtype=torch.bool), ("one",), 4)
    assert short.beside(torch.tensor([0]), torch.rand(1, 2)).tolist() == [[0, 1, 1, 1]]


@torch.no_grad()
def test_a_policy_acts_by_the_prompts_of_its_task_also_from_its_file(tmp_path: Path) -> None:
    policy, known = made(), torch.randn(3, 2 * FEATURES)
    policy.fit(windows())
    policy.remember(windows())
    plans = []
    for task in CONFIG.tasks:
        policy.task = task
        plans.append(policy.begin(3)(known, generators(3), 0).plans)
        save_planner(policy, tmp_path / "policy.safetensors", {"task": task})
        same, _ = load_policy(tmp_path / "policy.safetensors")
        assert same.begin(3)(known, generators(3), 0).plans.equal(plans[-1])
    assert not plans[0].equal(plans[1])
    policy.task = "slide"
    with pytest.raises(InputError, match="was shown close, open, and not slide: name a task"):
        policy.begin(1)


@torch.no_grad()
def test_a_policy_of_one_task_acts_in_others_by_its_own_prompts() -> None:
    policy = made(tasks=("open",), prompted="as_released")
    policy.task = "slide"
    assert policy.begin(2)(torch.randn(2, 2 * FEATURES), generators(2), 0).plans.isfinite().all()


def test_a_batch_is_learned_by_heart() -> None:
    policy, whole = made(unguided=0.0, layers=1).train(), windows()
    policy.fit(whole)
    draws, optimizer = torch.Generator().manual_seed(0), torch.optim.Adam(policy.parameters(), 3e-3)
    batch = whole.batch(torch.arange(3).repeat(10), whole.draw(30, draws))
    losses = []
    for _ in range(80):
        loss = policy.loss(batch, policy.draw(30, draws))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"heads": 3}, r"planner\.width=32 must be a multiple of 2 \* planner\.heads = 6"),
        ({"sampling_steps": 7}, r"planner\.sampling_steps=7 must divide"),
        ({"horizon": 1}, r"planner\.horizon=1 must be at least"),
    ],
)
def test_numbers_that_do_not_go_together(changes: dict[str, int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        replace(CONFIG, **changes).check()
