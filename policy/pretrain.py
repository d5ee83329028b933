"""Pre-training on everything recorded, without rewards or task labels (SODP, Section 3.1)."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from tqdm import tqdm

from datasets.windows import Windows
from policy.checkpoint import save_planner
from policy.ema import MovingAverage
from policy.planner import Planner
from policy.run import Clock, Run

STAGE = "pretrain"


@dataclass(frozen=True)
class PretrainConfig:
    """How to pre-train.

    Attributes:
        steps: Gradient steps.
        batch: Windows per step.
        learning_rate: Of Adam, constant.
        windows: How many of the data's windows to learn from; None is all. As few as a batch are
            learned by heart: their loss must go to nothing, or something is wrong.
        features: Learn from what `datasets/encode.py` made of the clouds. The part of the encoder
            that sees clouds is then the one that made them, and stays as it is.
        precision: `float32`, or `bfloat16` for the matrix products (automatic mixed precision).
        log_every: Steps between metrics.
        save_every: Steps between training states; a killed run loses at most these.
    """

    steps: int
    batch: int
    learning_rate: float
    windows: int | None
    features: bool
    precision: Literal["float32", "bfloat16"]
    log_every: int
    save_every: int


def pretrain(
    planner: Planner, windows: Windows, config: PretrainConfig, *, run: Run, seed: int
) -> Planner:
    """Train until all steps are done, going on where a killed run stopped.

    Args:
        planner: Freshly made; its normaliser is fitted here.
        windows: The data, on the planner's device.
        config: See `PretrainConfig`.
        run: Where metrics and checkpoints go.
        seed: Of the choice of windows, noise and denoising steps.

    Returns:
        The average planner, which is the one that acts (also saved as the stage's checkpoint).
    """
    planner.normalizer.fit(windows.observations, windows.actions)
    if config.windows is not None:
        windows = windows.some(config.windows)
    learner = Learner(planner, config, seed)
    learner.load(run.resume(STAGE))
    metrics = run.metrics(STAGE, learner.step)
    clock = Clock(learner.seconds)
    total = torch.zeros((), device=planner.device)
    progress = tqdm(total=config.steps, initial=learner.step, desc="pre-train", unit="step")
    while learner.step < config.steps:
        total += learner.update(windows)
        progress.update()
        if learner.step % config.log_every == 0:
            loss = total.item() / config.log_every
            total.zero_()
            metrics.write(learner.step, {"pretrain/loss": loss})
            progress.set_postfix(loss=f"{loss:.4f}")
        if learner.step % config.save_every == 0 or learner.step == config.steps:
            learner.seconds = clock.seconds
            run.save(STAGE, learner.state())
    metrics.close()
    about = {
        **run.config["about"],
        "stage": STAGE,
        "gradient_steps": learner.step,
        "seconds": learner.seconds,
    }
    save_planner(learner.average.planner, run.checkpoint(STAGE), about)
    return learner.average.planner


class Learner:
    """A planner that learns from windows, with everything needed to go on after a kill."""

    def __init__(self, planner: Planner, config: PretrainConfig, seed: int) -> None:
        self.planner, self.config, self.step, self.seconds = planner.train(), config, 0, 0.0
        self.average = MovingAverage(planner)
        self.optimizer = torch.optim.Adam(planner.parameters(), config.learning_rate, fused=True)
        self.generator = torch.Generator().manual_seed(seed)

    def update(self, windows: Windows) -> torch.Tensor:
        """Take one gradient step; return its loss."""
        index = torch.randint(len(windows), (self.config.batch,), generator=self.generator)
        with self._autocast():
            loss = self.planner.loss(windows[index.to(windows.rows.device)], self.generator)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.average.update(self.planner)
        self.step += 1
        return loss.detach()

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "step": self.step,
            "seconds": self.seconds,
            "planner": self.planner.state_dict(),
            "average": self.average.planner.state_dict(),
            "average_steps": self.average.steps,
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load(self, state: dict[str, Any] | None) -> None:
        """Go on from a saved state, if there is one."""
        if state is None:
            return
        self.step, self.seconds = state["step"], state["seconds"]
        self.planner.load_state_dict(state["planner"])
        self.average.planner.load_state_dict(state["average"])
        self.average.steps = state["average_steps"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.config.precision == "float32":
            return nullcontext()
        return torch.autocast(self.planner.device.type, torch.bfloat16)
