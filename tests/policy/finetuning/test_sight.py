"""What critics see: the simulator's state reaches them as it is, and is seen alike in any unit."""

import copy
import dataclasses
from pathlib import Path
from typing import Literal

import pytest
import torch

from configs.command import compose_part
from datasets.behaviours.training_state import save_state
from envs.make import make_simulator
from envs.vector.vector_env import Shapes, VectorEnv
from perception.errors import InputError
from policy.finetuning.algorithms import q_guided
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.guided.critics import ChunkCritics
from policy.finetuning.guided.decisions import Decided, Decisions
from policy.finetuning.guided.guide import Guide
from policy.finetuning.guided.sight import FARTHEST, OF_CONTEXT, Sight
from policy.finetuning.trainer import Trainer
from policy.rollouts.rollout import roll_out
from tests.conftest import task_config
from tests.helpers.bandit import pretrained
from tests.helpers.small_planner import small_planner

TASK = task_config("adroit-door", "env.episode_steps=6", "env.view.points=32")


def envs(*, features: bool) -> VectorEnv:
    return VectorEnv(TASK, Shapes(envs=2, history=2, chunk=3, features=features), workers=0)


def own(sees: Literal["context", "state", "both"], steps: int) -> q_guided.Config:
    usual = compose_part(FinetuneConfig, "finetune", "q_guided").algorithm
    assert isinstance(usual, q_guided.Config)
    critic = dataclasses.replace(usual.critic, sees=sees, steps=steps, learning_rate=3e-3)
    return dataclasses.replace(usual, critic=critic)


def config(sees: Literal["context", "state", "both"], **changes: object) -> FinetuneConfig:
    usual = compose_part(FinetuneConfig, "finetune", "q_guided")
    return dataclasses.replace(usual, algorithm=own(sees, 2), gradient_steps=1, **changes)


def test_a_rollout_keeps_the_features_of_each_decision_where_they_are_asked_for() -> None:
    planner = small_planner().eval()
    chunks = roll_out(planner, envs(features=True), [3, 4], success_at="end").chunks
    for env, seed in enumerate((3, 4)):
        simulator = make_simulator(TASK)
        simulator.reset(seed)
        for time in range(2):
            assert chunks.features[time, env].tolist() == simulator.features().tolist()
            for action in planner.to_actions(chunks.plans[time])[env].numpy():
                simulator.step(action)
    without = roll_out(planner, envs(features=False), [3, 4], success_at="end").chunks
    assert without.features.shape == (2, 2, 0)
    assert torch.equal(without.plans, chunks.plans)


def test_features_are_seen_alike_in_any_unit_and_jitter_stays_small() -> None:
    torch.manual_seed(0)
    units, shift = torch.tensor([1e-1, 1.0, 1e3]), torch.tensor([7.0, 0.0, -2e3])
    drawn, contexts = torch.randn(500, 3), torch.randn(500, 4)
    features = drawn * units + shift
    sight = Sight("state").measured(features)
    seen = sight(contexts, features)
    torch.testing.assert_close(seen.mean(dim=0), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(seen.std(dim=0), torch.ones(3), atol=1e-2, rtol=0)
    both = dataclasses.replace(sight, sees="both")(contexts, features)
    assert torch.equal(both, torch.cat([contexts, seen], dim=1))
    assert OF_CONTEXT.measured(features)(contexts, features) is contexts
    jitter = 1e-5 * drawn[:, :1]
    still = Sight("state").measured(jitter)
    assert still(contexts, jitter).abs().max() < 0.01
    assert still(contexts[:1], torch.tensor([[5.0]])).item() == FARTHEST


@pytest.mark.parametrize(("sees", "knows"), [("context", False), ("state", True), ("both", True)])
def test_critics_tell_what_only_the_state_says(
    sees: Literal["context", "state", "both"], *, knows: bool
) -> None:
    """Which of two plans earns something depends on a feature that no context shows."""
    planner, count = pretrained(1), 600
    torch.manual_seed(0)
    side = torch.randint(2, (count,)) * 2.0 - 1
    plans = torch.tensor([-0.5, 0.5])[:, None, None].expand(count, 2, 2, 1)
    taken = torch.randint(2, (count, 1))
    followed = plans.gather(1, taken[:, :, None, None].expand(-1, 1, 2, 1))
    contexts = torch.zeros(count, planner.encoder.features)
    decided = Decided(
        contexts=contexts,
        features=200 * side[:, None] + 1000,
        elapsed=torch.zeros(count),
        candidates=torch.cat([plans, followed], dim=1),
        rewards=(followed[:, 0, 0, 0] * side > 0).float(),
        last=torch.ones(count, dtype=torch.bool),
    )
    decisions = Decisions(1024)
    decisions.add(decided)
    learned = own(sees, 0)
    critics = ChunkCritics(learned.critic, planner, 0, features=1)
    generator = torch.Generator().manual_seed(0)
    critics.learn(decisions, 60, generator, lambda following: torch.zeros(len(following)))
    values = critics.least(decided, plans)
    right = (values.argmax(dim=1) * 2.0 - 1 == side).float().mean()
    assert (right > 0.95) == knows
    again = ChunkCritics(learned.critic, planner, 1, features=1)
    again.load(copy.deepcopy(critics.state()))
    assert torch.equal(again.least(decided, plans), values)
    guide = Guide(planner, critics.ready, learned.explore, explore=False, sight=critics.sight)
    generators = [torch.Generator().manual_seed(i) for i in range(20)]
    decision = guide(contexts[:20], generators, 0, decided.features[:20])
    options = Decided(**{name: part[:20] for name, part in vars(decided).items()})
    best = critics.least(options, decision.candidates).argmax(dim=1)
    assert torch.equal(decision.plans, decision.candidates[torch.arange(20), best])


def test_a_run_with_privileged_critics_is_watched_with_them_but_they_guide_no_evaluation() -> None:
    changes = {"initial_limit": 2, "evaluate_every": 2, "evaluate_episodes": 2}
    made = config("state", **changes)
    trainer = Trainer(small_planner(), envs(features=True), made, seed=0, success_at="end")
    assert "finetune/critic_loss" not in trainer.iterate()
    assert "evaluation_guided/success" in trainer.iterate()
    saved = trainer.algorithm.saved_critics()
    assert saved is not None
    assert saved.form.sees == "state"
    with pytest.raises(InputError, match="which no robot has"):
        saved.guide(trainer.planner, 2)
    with pytest.raises(ValueError, match="give no features"):
        Trainer(small_planner(), envs(features=False), made, seed=0, success_at="end")


def test_what_was_played_without_features_is_refused_where_critics_see_them(
    tmp_path: Path,
) -> None:
    path, plain = tmp_path / "finetune-state.pt", config("context", evaluate_every=0)
    played = Trainer(small_planner(), envs(features=False), plain, seed=0, success_at="end")
    played.iterate()
    state = played.state()
    del state["algorithm"]["decisions"]["decisions"]["features"]  # As older ones were written.
    save_state(state, path)
    played.algorithm.load_experience(path)
    seeing = Trainer(small_planner(), envs(features=True), config("both"), seed=0, success_at="end")
    with pytest.raises(InputError, match=r"without the simulator's features.*sees=both"):
        seeing.algorithm.load_experience(path)
