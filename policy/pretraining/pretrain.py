"""Pre-training on everything recorded, without rewards or task labels (SODP, Section 3.1)."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import isfinite
from typing import Annotated, Any, Literal

import torch

from configs.progress import progress
from configs.ranges import Count, Rate, between
from configs.stopping import StopRequest
from datasets.behaviours.training_state import fitting, load_state
from datasets.windows import Windows
from perception.errors import InputError
from policy.planner.checkpoint import save_planner
from policy.planner.planner import Planner
from policy.planner.schedule import Noising
from policy.pretraining.ema import MovingAverage
from policy.runs.clock import Clock, Spent
from policy.runs.distributed import ALONE, Team
from policy.runs.run import Run, stopped

STAGE = "pretrain"


@dataclass(frozen=True)
class PretrainConfig:
    """How to pre-train.

    Attributes:
        steps: Gradient steps.
        batch: Windows per step.
        learning_rate: Of Adam, constant.
        windows: How many of the data's windows to learn from; None is all. As few as a batch are
            a check: the planner must fit them almost exactly.
        features: Learn from the features that `policy/encode.py` computed from the clouds. The part
            of the encoder that encodes clouds is then a copy of the one that computed them, frozen.
        precision: `float32`, or `bfloat16` for the matrix products (automatic mixed precision).
        log_every: Steps between metrics.
        save_every: Steps between training states; a killed run loses at most these.
    """

    steps: Count
    batch: Annotated[int, between(1, 2**20)]
    learning_rate: Rate
    windows: Count | None
    features: bool
    precision: Literal["float32", "bfloat16"]
    log_every: Count
    save_every: Count


def pretrain(
    planner: Planner,
    windows: Windows,
    config: PretrainConfig,
    *,
    run: Run,
    seed: int,
    team: Team = ALONE,
    stop: StopRequest | None = None,
) -> Planner:
    """Train until all steps are done, going on where a stopped or a shorter run ended.

    Args:
        planner: Not trained yet; its normaliser is fitted here.
        windows: The data, on the planner's device.
        config: See `PretrainConfig`.
        run: Where metrics and checkpoints go.
        seed: Of the choice of windows, noise and denoising steps.
        team: The processes that learn together; only its leader writes.
        stop: Asked after every step; where it says so, the state is saved first.

    Returns:
        The average planner, which is the one that acts (also saved as the stage's checkpoint).

    Raises:
        InputError: A loss or a weight was not finite any more, or the disk is full.
        StoppedError: It was asked to stop.
    """
    stop = stop or StopRequest()
    planner.normalizer.fit(windows.observations, windows.actions)
    if config.windows is not None:
        windows = windows.some(config.windows)
    learner = Learner(planner, config, seed, team)
    with fitting(run.state_path(STAGE)):
        learner.load(run.resume(STAGE))
    if team.leads:
        with run.writing(STAGE):
            _learn(learner, windows, run, stop)
            about = {
                **run.config["about"],
                "stage": STAGE,
                "gradient_steps": learner.step,
                **vars(learner.spent),
            }
            save_planner(learner.average.planner, run.checkpoint(STAGE), about)
    while learner.step < config.steps:  # The other processes of the team; the leader is done.
        learner.update(windows)
        if learner.asked(stop) and learner.step < config.steps:
            team.stop(stopped("with the first process"))
    return learner.average.planner


def _learn(learner: "Learner", windows: Windows, run: Run, stop: StopRequest) -> None:
    """Take the remaining steps, writing metrics and training states."""
    config, clock = learner.config, Clock(learner.spent)
    metrics = run.metrics(STAGE, learner.step)
    with progress(None, "pre-train", config.steps, initial=learner.step, unit="step") as shown:
        while learner.step < config.steps:
            learner.losses.append(learner.update(windows))
            shown.update()
            stopping = learner.asked(stop)
            if learner.step % config.log_every == 0:
                _check(learner, run)
                loss = learner.mean_loss()
                metrics.write(learner.step, {"pretrain/loss": loss})
                shown.set_postfix(loss=f"{loss:.4f}")
            if stopping or learner.step % config.save_every == 0 or learner.step == config.steps:
                _check(learner, run)
                learner.spent = clock.spent
                run.save(STAGE, learner.state())
            if stopping and learner.step < config.steps:
                break
    metrics.close()
    if learner.step < config.steps:
        learner.team.stop(stopped(f"at step {learner.step}"))


def _check(learner: "Learner", run: Run) -> None:
    """Refuse to go on from numbers that are not finite; where the device is waited for anyway.

    Raises:
        InputError: One of the newest losses, or a weight now, is not finite.
    """
    values = [loss.item() for loss in learner.losses]
    broken = [learner.step - len(values) + 1 + i for i, v in enumerate(values) if not isfinite(v)]
    if not broken and learner.finite:
        return
    path = run.state_path(STAGE)
    state = load_state(path)
    last = "none was saved" if state is None else f"{path}, after step {state['step']}"
    raise InputError(
        f"Pre-training left the finite numbers at step {(broken or [learner.step])[0]}; the last"
        f" good training state: {last}. Give a smaller pretrain.learning_rate= and another out="
    )


class Learner:
    """A planner that learns from windows, with everything needed to go on after a kill."""

    def __init__(
        self, planner: Planner, config: PretrainConfig, seed: int, team: Team = ALONE
    ) -> None:
        self.planner, self.config, self.step, self.spent = planner.train(), config, 0, Spent()
        self.average = MovingAverage(planner)
        self.optimizer = torch.optim.Adam(planner.parameters(), config.learning_rate, fused=True)
        self.generator = torch.Generator().manual_seed(seed)
        self.team, self.losses = team, list[torch.Tensor]()  # Those since the last metrics.

    @property
    def finite(self) -> bool:
        """Whether all weights are finite numbers."""
        return all(bool(w.isfinite().all()) for w in self.planner.parameters())

    def update(self, windows: Windows) -> torch.Tensor:
        """Take one gradient step, on this process's share of the batch; return the whole's loss."""
        count, share = self.config.batch, self.team.share
        index = share(torch.randint(len(windows), (count,), generator=self.generator))
        drawn = self.planner.noising(count, self.generator)
        noising = Noising(share(drawn.noise), share(drawn.k))
        with self._autocast():
            loss = self.planner.loss(windows[index.to(windows.rows.device)], noising)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        gradients = [w.grad for w in self.planner.parameters() if w.grad is not None]
        self.team.average([loss.detach(), *gradients])
        self.optimizer.step()
        self.average.update(self.planner)
        self.step += 1
        return loss.detach()

    def asked(self, stop: StopRequest) -> bool:
        """Tell whether any process of the team was asked to stop; all of them call it."""
        return self.team.any(stop.requested)

    def mean_loss(self) -> float:
        """Average the losses since the last time, and begin anew."""
        losses, self.losses = self.losses, []
        return sum(losses, torch.zeros_like(losses[0])).item() / len(losses)

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "step": self.step,
            **vars(self.spent),
            "planner": self.planner.state_dict(),
            "average": self.average.planner.state_dict(),
            "average_steps": self.average.steps,
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "losses": [loss.cpu() for loss in self.losses],
        }

    def load(self, state: dict[str, Any] | None) -> None:
        """Go on from a saved state, if there is one."""
        if state is None:
            return
        self.step, self.spent = state["step"], Spent.of(state)
        self.planner.load_state_dict(state["planner"])
        self.average.planner.load_state_dict(state["average"])
        self.average.steps = state["average_steps"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        # Older states do not hold them; the next mean is then over fewer steps.
        self.losses = [loss.to(self.planner.device) for loss in state.get("losses", [])]

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.config.precision == "float32":
            return nullcontext()
        return torch.autocast(self.planner.device.type, torch.bfloat16)
