"""Fine-tuning: a frozen encoder, exact resumption, other beginnings, algorithms of one's own."""

import copy
import dataclasses
from pathlib import Path

import pytest
import torch

from configs.build import build
from configs.command import compose_part
from envs.vector.vector_env import Shapes, VectorEnv
from perception.errors import InputError
from policy.finetuning.algorithms.sodp import SODP
from policy.finetuning.config import FinetuneConfig
from policy.finetuning.experience import Experience
from policy.finetuning.loop import finetune
from policy.finetuning.terms import ppo
from policy.finetuning.terms.ppo import log_probabilities
from policy.finetuning.trainer import Trainer
from policy.planner.checkpoint import load_planner
from policy.planner.planner import FirstPlan, Planner
from policy.planner.policy import Policy
from policy.rollouts.rollout import roll_out
from policy.runs.metrics import read_metrics
from policy.runs.run import Run
from tests.conftest import task_config
from tests.helpers.own.algorithm import CloneSuccesses
from tests.helpers.sampled_chains import every_step, seeded
from tests.helpers.small_planner import MINIBATCH, SMALL, small_finetuning, small_planner


@pytest.fixture(scope="module")
def envs() -> VectorEnv:
    config = task_config("adroit-door", "env.episode_steps=10", "env.view.points=32")
    return VectorEnv(config, Shapes(envs=2, history=2, chunk=3), workers=0)


def make_trainer(planner: Planner, envs: VectorEnv, config: FinetuneConfig = SMALL) -> Trainer:
    return Trainer(planner, envs, config, seed=0, success_at="end")


def sodp_of(trainer: Trainer) -> SODP:
    assert isinstance(trainer.algorithm, SODP)
    return trainer.algorithm


def run_in(path: Path) -> Run:
    return Run(path, {"about": {"task": "adroit-door", "seed": 0}})


def tune(envs: VectorEnv, path: Path, config: FinetuneConfig = SMALL) -> Policy:
    return finetune(small_planner(), envs, config, run=run_in(path), seed=0, success_at="end")


def changed(planner: Policy) -> set[str]:
    """Name what differs from a planner that has learned nothing."""
    before = small_planner().state_dict()
    return {n for n, v in planner.state_dict().items() if not torch.equal(v, before[n])}


def test_so_many_episodes_begin_alike(envs: VectorEnv) -> None:
    trainer = make_trainer(small_planner(), envs, small_finetuning(group_size=2, initial_limit=2))
    starts = []
    for _ in range(2):
        trainer.iterate()
        rollout = sodp_of(trainer).replay.rollout
        assert rollout is not None
        starts.append(rollout.episodes.starts[-2:].tolist())
    assert [len(set(pair)) for pair in starts] == [1, 1]
    assert starts[0] != starts[1]
    with pytest.raises(InputError, match="goes with advantage=return_to_go"):
        make_trainer(small_planner(), envs, small_finetuning(group_size=2, advantage="whitened"))


def test_an_update_leaves_the_encoder_and_the_normaliser_alone(envs: VectorEnv) -> None:
    planner = small_planner()
    trainer = make_trainer(planner, envs)
    trainer.iterate()
    metrics = trainer.iterate()
    assert changed(planner)
    assert all(name.startswith("denoiser.") for name in changed(planner))
    watched = {"ppo_loss", "bc_loss", "ppo_norm", "bc_norm", "clip_fraction", "ratio"}
    assert {f"finetune/{name}" for name in watched} <= metrics.keys()


def test_improvement_makes_good_chunks_likelier(envs: VectorEnv) -> None:
    planner = small_planner()
    config = small_finetuning({"ppo": ppo.Config("ppo", 1.0, clip=0.2)}, learning_rate=1e-4)
    algorithm = sodp_of(make_trainer(planner, envs, config))
    rollout = roll_out(planner, envs, [11, 12], success_at="end", decide=FirstPlan(planner, 0.1))
    advantages = torch.zeros_like(rollout.chunks.rewards)
    advantages[:, 0], advantages[:, 1] = 1.0, -1.0
    experience = Experience.of(rollout, advantages)
    for group in algorithm._optimizer.param_groups:
        group["lr"] = 1e-4

    def gain() -> float:
        everything = every_step(planner, experience, reduction="mean")
        with torch.no_grad():
            new, old = log_probabilities(everything)
        return ((new - old) * everything.advantages).mean().item()

    assert gain() == pytest.approx(0, abs=1e-3)
    generator = seeded()
    for _ in range(20):
        chunk, step = experience.sample(MINIBATCH.batch, generator)
        everything = every_step(planner, experience, reduction="mean")
        algorithm.gradient_step(dataclasses.replace(everything, chunk=chunk, step=step))
    assert gain() > 0.01


def test_a_stopped_fine_tuning_goes_on_to_the_same_weights(
    envs: VectorEnv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StopError(Exception):
        pass

    def stop(self: Trainer) -> dict[str, float]:
        if self.episodes >= 4:
            raise StopError
        return iterate(self)

    whole = tune(envs, tmp_path / "whole")
    iterate = Trainer.iterate
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "iterate", stop)
        with pytest.raises(StopError):
            tune(envs, tmp_path / "stopped")
    resumed = tune(envs, tmp_path / "stopped")
    for name, weights in whole.state_dict().items():
        assert torch.equal(weights, resumed.state_dict()[name]), name
    one, other = (read_metrics(tmp_path / p / "finetune.jsonl") for p in ("whole", "stopped"))
    assert one == other
    assert [line["step"] for line in one] == [2, 4, 6]


def test_another_configuration_is_refused_in_the_same_folder(tmp_path: Path) -> None:
    Run(tmp_path, {"about": {}, "finetune": {"episodes": 6}})
    with pytest.raises(InputError, match=r"finetune\.episodes: 6 -> 8"):
        Run(tmp_path, {"about": {}, "finetune": {"episodes": 8}})


def test_from_scratch_only_the_denoiser_is_new_and_the_rollouts_are_the_pre_trained_ones(
    envs: VectorEnv,
) -> None:
    planner = small_planner()
    scratch = make_trainer(planner, envs, small_finetuning(init="scratch"))
    usual = make_trainer(small_planner(), envs)
    scratch.iterate()
    usual.iterate()
    assert changed(planner)
    assert all(name.startswith("denoiser.") for name in changed(planner))
    one, other = (sodp_of(trainer) for trainer in (scratch, usual))
    assert one.replay.rollout is not None
    assert other.replay.rollout is not None
    assert torch.equal(one.replay.rollout.chunks.samples, other.replay.rollout.chunks.samples)
    assert torch.equal(one.target.chunks().plans, other.target.chunks().plans)


def test_experience_of_a_finished_run_is_learned_from_without_playing(
    envs: VectorEnv, tmp_path: Path
) -> None:
    tune(envs, tmp_path / "online")
    online, offline = run_in(tmp_path / "online"), run_in(tmp_path / "offline")
    config = small_finetuning(experience=online.state_path("finetune"))
    planner = tune(envs, offline.path, config)
    _, about = load_planner(offline.checkpoint("finetune"))
    assert (about["env_steps"], about["gradient_steps"]) == (0, 12)
    assert changed(planner)
    theirs, ours = (run.resume("finetune") for run in (online, offline))
    assert theirs is not None
    assert ours is not None
    samples = [s["algorithm"]["replay"]["chunks"]["samples"] for s in (theirs, ours)]
    assert torch.equal(*samples)


def test_a_diverging_run_names_its_last_good_planner(envs: VectorEnv, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"diverged after episode 2: .*finetune-last"):
        tune(envs, tmp_path, small_finetuning(learning_rate=1e30))
    last, _ = load_planner(run_in(tmp_path).checkpoint("finetune-last"))
    assert not changed(last)  # Nothing was learned before.


def test_a_ratio_beyond_its_bound_stops_the_run(envs: VectorEnv, tmp_path: Path) -> None:
    config = small_finetuning(largest_ratio=0.5)  # It is 1 before the first update.
    with pytest.raises(InputError, match=r"the mean ratio is 1, beyond 0\.5\. The last good"):
        tune(envs, tmp_path, config)


def test_an_algorithm_of_ones_own_is_one_file(envs: VectorEnv, tmp_path: Path) -> None:
    values = dataclasses.asdict(compose_part(FinetuneConfig, "finetune", "ppo_bc"))
    small = {"episodes": 6, "initial_limit": 2, "gradient_steps": 2, "evaluate_every": 0}
    own = {"kind": "tests.helpers.own.algorithm:CloneSuccesses", "momentum": 0.9}
    config = build(FinetuneConfig, {**values, **small, "algorithm": own})
    assert isinstance(config.algorithm, CloneSuccesses.Config)
    planner = copy.deepcopy(tune(envs, tmp_path, config))
    assert changed(planner)
    lines = read_metrics(tmp_path / "finetune.jsonl")
    assert [line["step"] for line in lines] == [2, 4, 6]
    assert "finetune/cloning_loss" in lines[-1]
    _, about = load_planner(run_in(tmp_path).checkpoint("finetune"))
    assert about["gradient_steps"] == 8
