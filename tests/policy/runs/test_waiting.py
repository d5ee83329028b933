"""A gradient step reads nothing back from its device, so that a GPU is never waited for.

Torch's device `meta` stands in for the GPU: its tensors have shapes and no numbers, so whatever
reads one, or mixes it with one on the CPU, is refused.
"""

from contextlib import nullcontext
from typing import Any

import pytest
import torch

from configs.command import compose_part
from configs.kinds import Kind, make_kind
from datasets.windows import Windows, window_rows
from perception.observation import Observation
from policy.finetuning.algorithms import sodp
from policy.finetuning.algorithms.q_guided import QGuided
from policy.finetuning.config import ALGORITHMS, FinetuneConfig
from policy.finetuning.diverging import DivergedError, finite, means, read
from policy.finetuning.guided.learner import CriticLearner
from policy.planner.config import Sizes
from policy.planner.denoisers.mixer import Config as MixerConfig
from policy.planner.denoisers.mlp import Config as MlpConfig
from policy.planner.denoisers.unet import Config as UnetConfig
from policy.planner.planner import Planner
from policy.pretraining.config import PretrainConfig
from policy.pretraining.learner import Learner
from policy.rollouts.rollout import ChunkData, EpisodeData, Rollout
from tests.helpers.reads import Reads
from tests.helpers.small_planner import planner_config, small_planner

GPU = torch.device("meta")
DENOISERS = {"unet-small": UnetConfig, "mixer": MixerConfig, "mlp": MlpConfig}
EPISODES, CHUNKS = 3, 4


@pytest.fixture(autouse=True)
def _as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what a device without memory has not: fused optimisers, and autocast."""
    adam = torch.optim.Adam

    def unfused(*given: Any, fused: bool = False, **more: Any) -> Any:  # noqa: ANN401
        return adam(*given, **more)

    monkeypatch.setattr(torch.optim, "Adam", unfused)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda _: False)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())


def windows() -> Windows:
    rows = window_rows(torch.tensor([20, 40]).numpy(), history=2, horizon=4, chunk=3)
    seen = Observation(torch.rand(40, 16, 3), torch.randn(40, 24))
    return Windows(seen, torch.rand(40, 28), torch.from_numpy(rows), 2)


def rollout(planner: Planner, candidates: int) -> Rollout:
    context = planner.config.history * planner.encoder.features
    lead, plan = (CHUNKS, EPISODES), (planner.config.horizon, planner.sizes.actions)
    links = 0 if candidates else len(planner.grid)
    chunks = ChunkData(
        contexts=torch.randn(*lead, context),
        features=torch.zeros(*lead, 0),
        points=torch.zeros(*lead, 0, 16, 3),
        robot_state=torch.zeros(*lead, 0, 24),
        plans=torch.randn(*lead, *plan),
        candidates=torch.randn(*lead, candidates, *plan),
        means=torch.randn(*lead, links, *plan),
        samples=torch.randn(*lead, links + 1 if links else 0, *plan),
        rewards=torch.rand(lead),
        valid=torch.ones(lead, dtype=torch.bool),
    )
    won, numbers = torch.ones(EPISODES, dtype=torch.bool), torch.arange(EPISODES)
    whole = torch.full((EPISODES,), CHUNKS)
    episodes = EpisodeData(won, won, won, numbers + 1, numbers, until_success=whole)
    return Rollout(chunks, episodes)


def finetuned(name: str, planner: Planner) -> tuple[Any, FinetuneConfig]:
    config = compose_part(FinetuneConfig, "finetune", name)
    return make_kind(ALGORITHMS, config.algorithm, planner, config, 0), config


@pytest.fixture
def on_gpu() -> Planner:
    return small_planner().to(GPU)


@pytest.mark.parametrize("name", DENOISERS)
def test_a_step_of_pre_training_reads_nothing(name: str) -> None:
    net: Kind = compose_part(DENOISERS[name], "denoiser", name)
    planner = Planner(planner_config(net), Sizes(3, 24, 28)).to(GPU)
    learner = Learner(planner, PretrainConfig(9, 8, 1e-4, None, False, "float32", 1, 1), 0)
    data = windows().to(GPU)
    for _ in range(2):
        assert learner.update(data).device == GPU


def test_data_that_stay_on_the_cpu_are_moved_batch_by_batch(on_gpu: Planner) -> None:
    learner = Learner(on_gpu, PretrainConfig(9, 8, 1e-4, None, False, "float32", 1, 1), 0)
    assert learner.update(windows()).device == GPU


@pytest.mark.parametrize("name", ["ppo_bc", "ppo_kl", "ppo_pl"])
def test_a_step_of_sodp_reads_nothing(name: str, on_gpu: Planner) -> None:
    algorithm, config = finetuned(name, on_gpu)
    assert isinstance(algorithm, sodp.SODP)
    algorithm.observe(rollout(on_gpu, 0))
    experience = algorithm.replay.experience(config.advantage).kept_on(GPU)
    target = algorithm.target.chunks().kept_on(GPU)
    for _ in range(2):
        watched = algorithm.gradient_step(algorithm._minibatch(experience, target))
        assert {value.device for value in watched.values()} == {GPU}


@pytest.mark.parametrize("name", ["q_guided", "expo", "ogpo"])
def test_a_step_of_critics_and_their_planner_reads_nothing(name: str, on_gpu: Planner) -> None:
    algorithm, _ = finetuned(name, on_gpu)
    assert isinstance(algorithm, CriticLearner)
    algorithm.observe(rollout(on_gpu, 6))
    algorithm.critics.scale = 1.0  # What an update measures once, before its steps.
    for _ in range(2):
        loss = algorithm.critics.step(
            algorithm.decisions, algorithm._generator, algorithm._value_of
        )
        assert loss.device == GPU
        if name != "ogpo":  # It copies whole planners, before its first step alone.
            assert algorithm._planner_step()["planner_loss"].device == GPU


def test_decisions_stay_on_the_device_and_are_saved_from_the_cpu() -> None:
    planner = small_planner()
    algorithm, _ = finetuned("q_guided", planner)
    assert isinstance(algorithm, QGuided)
    algorithm.observe(rollout(planner, 6))
    saved = algorithm.decisions.state()["decisions"]
    assert {part.device.type for part in saved.values()} == {"cpu"}
    kept = algorithm.decisions.newest()
    assert saved["contexts"].data_ptr() != kept.contexts.data_ptr()


def test_what_was_watched_is_read_once() -> None:
    watched = [{"loss": torch.tensor(float(i)), "ratio": torch.tensor(2.0)} for i in range(3)]
    with Reads() as reads:
        assert read(watched)[2] == {"loss": 2.0, "ratio": 2.0}
    assert not reads.counts
    assert means(watched) == {"loss": 1.0, "ratio": 2.0}
    assert means([]) == {}


def test_on_the_cpu_a_broken_loss_is_seen_at_once() -> None:
    with pytest.raises(DivergedError, match="the loss is nan"):
        finite(torch.tensor(float("nan")), "the loss")
