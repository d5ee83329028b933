"""Fine-tuning: ratios of one, a frozen encoder, a target buffer of the best, exact resumption."""

import copy
import dataclasses
from pathlib import Path

import pytest
import torch

from envs.vector.vector_env import Shapes, VectorEnv
from perception.errors import InputError
from policy.finetuning.buffers import Experience, ReplayBuffer, TargetBuffer
from policy.finetuning.finetune import finetune
from policy.finetuning.losses import chunk_weights
from policy.finetuning.objective import ObjectiveConfig
from policy.finetuning.trainer import FinetuneConfig, Trainer
from policy.planner.checkpoint import load_planner
from policy.planner.denoisers.unet import Config as UnetConfig
from policy.planner.planner import Planner, PlannerConfig, Sizes
from policy.rollouts.rollout import PLAYED, Rollout, newest, roll_out
from policy.runs.run import Run, read_metrics
from tests.conftest import task_config

SMALL_OBJECTIVE = ObjectiveConfig(
    batch=16,
    clip=0.02,
    improvement=1.0,
    regulariser="bc",
    regularisation=1.0,
    min_std=0.1,
    ratio="mean",
    encoder="frozen",
)
SMALL = FinetuneConfig(
    objective=SMALL_OBJECTIVE,
    init="pretrained",
    experience=None,
    episodes=6,
    initial_episodes=1,
    initial_limit=2,
    gradient_steps=2,
    learning_rate=1e-3,
    last_learning_rate=1e-4,
    weight="return_to_go",
    group_size=1,
    replay_capacity=4,
    target_capacity=10,
    target_top=2,
    gradient_norm=1.0,
    largest_ratio=10.0,
    evaluate_every=0,
    evaluate_episodes=2,
)


def small_planner() -> Planner:
    torch.manual_seed(0)
    net = UnetConfig("unet", (16, 32, 48), 1, 5, 8, 16, None)
    return Planner(PlannerConfig(2, 4, 3, "noise", 100, 10, 1.0, "trailing", net), Sizes(3, 24, 28))


@pytest.fixture(scope="module")
def envs() -> VectorEnv:
    config = task_config("adroit-door", "env.episode_steps=10", "env.view.points=32")
    return VectorEnv(config, Shapes(envs=2, history=2, chunk=3), workers=0)


def rolled(planner: Planner, envs: VectorEnv, min_std: float = 0.1) -> Rollout:
    return roll_out(planner, envs, [11, 12], success_at="end", min_std=min_std)


def make_tuner(planner: Planner, envs: VectorEnv, **changes: object) -> Trainer:
    """Make a trainer; changes are of the fine-tuning or of its objective."""
    of_objective = {f.name for f in dataclasses.fields(ObjectiveConfig)} & changes.keys()
    objective = dataclasses.replace(SMALL_OBJECTIVE, **{n: changes.pop(n) for n in of_objective})
    config = dataclasses.replace(SMALL, objective=objective, **changes)
    return Trainer(planner, envs, config, seed=0, success_at="end")


def test_a_rollout_holds_every_chunk(envs: VectorEnv) -> None:
    rollout = rolled(small_planner(), envs)
    assert rollout.rewards.shape == (4, 2)  # Ten steps in chunks of three.
    assert rollout.played.all()
    assert rollout.steps == 20
    assert rollout.samples.shape == (4, 2, 11, 4, 28)
    assert rollout.contexts.shape == (4, 2, 256)


def test_a_rollout_follows_from_its_seeds(envs: VectorEnv) -> None:
    one, other = (rolled(small_planner(), envs) for _ in range(2))
    assert torch.equal(one.samples, other.samples)
    assert torch.equal(one.rewards, other.rewards)


def test_episodes_may_begin_alike_and_go_apart(envs: VectorEnv) -> None:
    rollout = roll_out(small_planner(), envs, [11, 12], starts=[7, 7], success_at="end")
    torch.testing.assert_close(rollout.contexts[0, 0], rollout.contexts[0, 1])
    assert not torch.allclose(rollout.contexts[1, 0], rollout.contexts[1, 1])
    assert rollout.starts.tolist() == [7, 7]


def test_so_many_episodes_begin_alike(envs: VectorEnv) -> None:
    trainer = make_tuner(small_planner(), envs, group_size=2, initial_limit=2)
    starts = []
    for _ in range(2):
        trainer.iterate()
        assert trainer.replay.rollout is not None
        starts.append(trainer.replay.rollout.starts[-2:].tolist())
    assert [len(set(pair)) for pair in starts] == [1, 1]
    assert starts[0] != starts[1]
    with pytest.raises(InputError, match=r"goes with finetune\.weight=return_to_go"):
        make_tuner(small_planner(), envs, group_size=2, weight="whitened")


def test_workers_do_not_change_a_rollout(envs: VectorEnv) -> None:
    config = task_config("adroit-door", "env.episode_steps=10", "env.view.points=32")
    apart = VectorEnv(config, Shapes(envs=2, history=2, chunk=3), workers=2)
    try:
        one, other = rolled(small_planner(), envs), rolled(small_planner(), apart)
    finally:
        apart.close()
    assert torch.equal(one.samples, other.samples)
    assert torch.equal(one.rewards, other.rewards)


@pytest.mark.parametrize("ratio", ["mean", "sum"])
def test_the_ratio_is_one_before_the_first_update(envs: VectorEnv, ratio: str) -> None:
    planner = small_planner()
    rollout = rolled(planner, envs)
    weights = chunk_weights(rollout.rewards, rollout.played, "return_to_go")
    experience = Experience.of(rollout, weights)
    chunk, step = experience.draw(80, torch.Generator().manual_seed(0))
    new, old = make_tuner(planner, envs, ratio=ratio).objective.log_probs(experience, chunk, step)
    torch.testing.assert_close(new, old, rtol=1e-3, atol=1e-3)
    assert new.requires_grad


def test_only_executed_actions_count(envs: VectorEnv) -> None:
    planner = small_planner()
    trainer = make_tuner(planner, envs)
    densities = torch.zeros(1, 4, 28)
    densities[:, 0] = 100.0  # The action of the step before: planned, never executed.
    assert trainer.objective._reduce(densities).item() == 0.0
    densities[:, 1] = 3.0
    assert trainer.objective._reduce(densities).item() == pytest.approx(1.0)


def test_an_update_leaves_the_encoder_and_the_normaliser_alone(envs: VectorEnv) -> None:
    planner = small_planner()
    before = copy.deepcopy(planner.state_dict())
    trainer = make_tuner(planner, envs)
    trainer.iterate()
    trainer.iterate()
    changed = {n for n, v in planner.state_dict().items() if not torch.equal(v, before[n])}
    assert changed
    assert all(name.startswith("denoiser.") for name in changed)


def test_improvement_makes_good_chunks_likelier(envs: VectorEnv) -> None:
    planner = small_planner()
    trainer = make_tuner(
        planner, envs, regularisation=0.0, learning_rate=1e-4, last_learning_rate=1e-4, clip=0.2
    )
    rollout = rolled(planner, envs)
    weights = torch.zeros_like(rollout.rewards)
    weights[:, 0], weights[:, 1] = 1.0, -1.0
    experience = Experience.of(rollout, weights)
    trainer.target.add(rollout)

    def advantage() -> float:
        chunk = torch.arange(len(experience)).repeat_interleave(10)
        step = torch.arange(10).repeat(len(experience))
        with torch.no_grad():
            new, old = trainer.objective.log_probs(experience, chunk, step)
        return ((new - old) * experience.weights[chunk]).mean().item()

    assert advantage() == pytest.approx(0, abs=1e-3)
    for _ in range(20):
        trainer._gradient_step(experience, trainer.target.chunks())
    assert advantage() > 0.01


def episode_rollout(successes: list[bool], returns: list[float]) -> Rollout:
    count = len(successes)
    return Rollout(
        torch.arange(count).float().view(1, count, 1).expand(2, count, 5),
        torch.zeros(2, count, 0, 4, 3),
        torch.zeros(2, count, 0, 24),
        torch.zeros(2, count, 1, 4, 3),
        torch.zeros(2, count, 2, 4, 3),
        torch.tensor(returns).view(1, count) * torch.tensor([[1.0], [0.0]]),
        torch.ones(2, count, dtype=torch.bool),
        *(torch.tensor(successes),) * 3,
        torch.full((count,), 2),
        torch.arange(count),
    )


def test_the_target_buffer_keeps_successes_and_until_then_the_best() -> None:
    buffer = TargetBuffer(capacity=3, top=2)
    buffer.add(episode_rollout([False, False, False], [1.0, 5.0, 3.0]))
    assert sorted(e.episode_return for e in buffer.episodes) == [3.0, 5.0]
    buffer.add(episode_rollout([True, False], [2.0, 9.0]))
    # One success, and the best of the others until two have succeeded.
    assert [(e.success, e.episode_return) for e in buffer.episodes] == [(False, 9.0), (True, 2.0)]
    buffer.add(episode_rollout([True, True, True], [4.0, 5.0, 6.0]))
    assert [e.episode_return for e in buffer.episodes] == [4.0, 5.0, 6.0]  # The oldest left.
    assert buffer.successes == 3
    chunks = buffer.chunks()
    assert chunks.contexts.shape == (6, 5)
    assert chunks.plans.shape == (6, 4, 3)


def test_the_replay_buffer_keeps_the_newest_and_weighs_them_together() -> None:
    buffer = ReplayBuffer(capacity=3)
    buffer.add(episode_rollout([False, False], [1.0, 5.0]))
    assert buffer.experience("chunk_return").weights.tolist() == [1.0, 5.0, 0.0, 0.0]
    short = newest(episode_rollout([False, True], [2.0, 3.0]), 2)
    short = dataclasses.replace(
        short, **{name: getattr(short, name)[:1] for name in PLAYED}
    )  # Ended after one chunk.
    buffer.add(short)
    experience = buffer.experience("chunk_return")
    assert experience.weights.tolist() == [5.0, 2.0, 3.0, 0.0]
    assert len(experience.chunks.contexts) == len(experience.samples) == 4
    to_go = buffer.experience("return_to_go").weights
    assert to_go[:3].sum().item() == pytest.approx(0, abs=1e-5)
    other = ReplayBuffer(capacity=3)
    other.load(buffer.state())
    assert torch.equal(other.experience("chunk_return").weights, experience.weights)


def test_a_stopped_fine_tuning_goes_on_to_the_same_weights(envs: VectorEnv, tmp_path: Path) -> None:
    def tune(path: Path, episodes: int) -> Planner:
        run = Run(path, {"about": {"task": "adroit-door", "seed": 0}})
        config = dataclasses.replace(SMALL, episodes=episodes)
        return finetune(small_planner(), envs, config, run=run, seed=0, success_at="end")

    class StopError(Exception):
        pass

    def stop(self: Trainer) -> dict[str, float]:
        if self.episodes >= 4:
            raise StopError
        return iterate(self)

    whole = tune(tmp_path / "whole", 6)
    iterate = Trainer.iterate
    Trainer.iterate = stop  # type: ignore[method-assign]
    try:
        with pytest.raises(StopError):
            tune(tmp_path / "stopped", 6)
    finally:
        Trainer.iterate = iterate  # type: ignore[method-assign]
    resumed = tune(tmp_path / "stopped", 6)
    for name, weights in whole.state_dict().items():
        assert torch.equal(weights, resumed.state_dict()[name]), name
    one, other = (read_metrics(tmp_path / p / "finetune.jsonl") for p in ("whole", "stopped"))
    assert one == other
    assert [line["step"] for line in one] == [2, 4, 6]


def test_another_configuration_is_refused_in_the_same_folder(tmp_path: Path) -> None:
    Run(tmp_path, {"about": {}, "finetune": {"clip": 0.02}})
    with pytest.raises(InputError, match=r"finetune\.clip: there 0\.02, here 0\.2"):
        Run(tmp_path, {"about": {}, "finetune": {"clip": 0.2}})


def test_from_scratch_only_the_denoiser_is_new_and_the_rollouts_are_the_pre_trained_ones(
    envs: VectorEnv,
) -> None:
    planner = small_planner()
    before = copy.deepcopy(planner.state_dict())
    scratch, usual = make_tuner(planner, envs, init="scratch"), make_tuner(small_planner(), envs)
    scratch.iterate()
    usual.iterate()
    changed = {n for n, v in planner.state_dict().items() if not torch.equal(v, before[n])}
    assert changed
    assert all(name.startswith("denoiser.") for name in changed)
    assert torch.equal(scratch.replay.rollout.samples, usual.replay.rollout.samples)
    assert torch.equal(scratch.target.chunks().plans, usual.target.chunks().plans)


def run_in(path: Path) -> Run:
    return Run(path, {"about": {"task": "adroit-door", "seed": 0}})


def test_experience_of_a_finished_run_is_learned_from_without_playing(
    envs: VectorEnv, tmp_path: Path
) -> None:
    online, offline = run_in(tmp_path / "online"), run_in(tmp_path / "offline")
    finetune(small_planner(), envs, SMALL, run=online, seed=0, success_at="end")
    path = online.state_path("finetune")
    planner = small_planner()
    config = dataclasses.replace(SMALL, experience=path)
    finetune(planner, envs, config, run=offline, seed=0, success_at="end")
    _, about = load_planner(offline.checkpoint("finetune"))
    assert (about["env_steps"], about["gradient_steps"]) == (0, 12)
    assert not torch.equal(
        planner.denoiser.final[-1].weight, small_planner().denoiser.final[-1].weight
    )
    theirs, ours = (run.resume("finetune") for run in (online, offline))
    assert torch.equal(theirs["replay"]["samples"], ours["replay"]["samples"])


def test_what_is_no_experience_is_refused(envs: VectorEnv, tmp_path: Path) -> None:
    path = tmp_path / "state.pt"

    def learn() -> None:
        make_tuner(small_planner(), envs, experience=path).iterate()

    with pytest.raises(InputError, match="There is no experience"):
        learn()
    path.write_text("no state")
    with pytest.raises(InputError, match="is not a training state"):
        learn()
    torch.save({"step": 3}, path)
    with pytest.raises(InputError, match="is not the state of a fine-tuning"):
        learn()
    trainer = make_tuner(small_planner(), envs)
    trainer.iterate()
    played = trainer.state()
    torch.save({**played, "replay": {"rewards": played["replay"]["rewards"]}}, path)
    with pytest.raises(InputError, match="is another version's"):
        learn()
    torch.save(played, path)
    with pytest.raises(InputError, match="no two episodes began alike"):
        make_tuner(small_planner(), envs, experience=path, group_size=2).iterate()


def test_a_diverging_run_names_its_last_good_planner(envs: VectorEnv, tmp_path: Path) -> None:
    run = run_in(tmp_path)
    config = dataclasses.replace(SMALL, learning_rate=1e30)
    with pytest.raises(InputError, match=r"diverged after episode 2: .*finetune-last"):
        finetune(small_planner(), envs, config, run=run, seed=0, success_at="end")
    last, _ = load_planner(run.checkpoint("finetune-last"))
    for name, weights in small_planner().state_dict().items():  # Nothing was learned before.
        assert torch.equal(weights, last.state_dict()[name]), name


def test_a_ratio_beyond_its_bound_stops_the_run(envs: VectorEnv, tmp_path: Path) -> None:
    config = dataclasses.replace(SMALL, largest_ratio=0.5)  # It is 1 before the first update.
    with pytest.raises(InputError, match=r"the mean ratio is 1, beyond 0\.5\. The last good"):
        finetune(small_planner(), envs, config, run=run_in(tmp_path), seed=0, success_at="end")
