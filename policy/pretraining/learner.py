"""A planner that learns from windows, step by step, and goes on after a kill."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from configs.stopping import StopRequest
from datasets.windows import Batch, Windows
from perception.observation import Encoded
from perception.transfer import moved
from policy.planner.policy import Draws, Policy
from policy.pretraining.augmentation import augmented, draw
from policy.pretraining.config import PretrainConfig
from policy.pretraining.ema import MovingAverage
from policy.pretraining.movement import Movement
from policy.runs.clock import Spent
from policy.runs.device import autocast
from policy.runs.distributed import ALONE, Team

LOSSES = ("pretrain/loss", "pretrain/movement")
HELD_OUT = 1000  # Windows at most that are looked at.
RATE, NORM = "pretrain/learning_rate", "pretrain/gradient_norm"


class Learner:
    """A planner that learns from windows, with everything needed to go on after a kill.

    Args:
        planner: It learns in place.
        config: See `PretrainConfig`.
        seed: Of the choice of windows, noise, denoising steps and changes of clouds.
        team: The processes that learn together.
        movement: Learns along, where the auxiliary loss has a weight.
    """

    def __init__(
        self,
        planner: Policy,
        config: PretrainConfig,
        seed: int,
        team: Team = ALONE,
        movement: Movement | None = None,
    ) -> None:
        self.planner, self.config, self.step, self.spent = planner.train(), config, 0, Spent()
        self.average = MovingAverage(planner)
        self.movement = movement
        self._learning = [
            *planner.parameters(),
            *([] if movement is None else movement.parameters()),
        ]
        adam = torch.optim.AdamW if config.weight_decay else torch.optim.Adam
        self.optimizer = adam(
            self._learning,
            config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.generator = torch.Generator().manual_seed(seed)
        self.team, self.losses = team, list[torch.Tensor]()  # Those since the last metrics.
        self._norm = torch.zeros(())  # Of the last gradient before metrics.

    @property
    def finite(self) -> bool:
        """Whether all weights are finite numbers."""
        return bool(torch.stack([w.isfinite().all() for w in self._learning]).all())

    def update(self, windows: Windows) -> torch.Tensor:
        """Take one gradient step, on this process's share of the batch.

        Returns:
            The whole batch's loss of Eq. 7, and the auxiliary one where there is one.
        """
        count, share = self.config.batch, self.team.share
        index = share(torch.randint(len(windows), (count,), generator=self.generator))
        chances = share(windows.draw(count, self.generator))
        drawn = tuple(map(share, self.planner.draw(count, self.generator)))
        chosen = windows.batch(moved(index, windows.rows.device), chances)
        batch = self._augmented(chosen.to(self.planner.device))
        with autocast(self.config.precision, self.planner.device):
            losses = self._losses(batch, drawn)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.rate(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        torch.add(losses[0], sum(losses[1:]), alpha=self.config.auxiliary).backward()
        gradients = [w.grad for w in self._learning if w.grad is not None]
        found = torch.stack([loss.detach() for loss in losses])
        self.team.average([found, *gradients])
        if (self.step + 1) % self.config.log_every == 0:
            self._norm = torch.nn.utils.get_total_norm(gradients)
        self.optimizer.step()
        self.average.update(self.planner)
        self.step += 1
        return found

    def asked(self, stop: StopRequest) -> bool:
        """Tell whether any process of the team was asked to stop; all of them call it."""
        return self.team.any(stop.requested)

    def measured(self) -> dict[str, float]:
        """Average the losses since the last time, each by its name, and begin anew.

        Returns:
            Beside them the last step's learning rate, and the norm of its gradient.
        """
        losses, self.losses = self.losses, []
        means = sum(losses, torch.zeros_like(losses[0])) / len(losses)
        named = dict(zip(LOSSES, means.tolist(), strict=False))
        return {**named, RATE: self.config.rate(self.step - 1), NORM: self._norm.item()}

    @torch.no_grad()
    def held_out(self, windows: Windows) -> dict[str, float]:
        """Give the average planner's loss on windows that are not learned from, by its name.

        At most a thousand of them, with the same noise each time: what changes is the planner.
        """
        planner, some = self.average.planner, windows.some(HELD_OUT)
        generator, losses = torch.Generator().manual_seed(0), list[Tensor]()
        for index in torch.arange(len(some)).split(self.config.batch):
            chances = some.draw(len(index), generator)
            drawn = planner.draw(len(index), generator)
            batch = some.batch(moved(index, some.rows.device), chances)
            losses.append(planner.loss(batch.to(planner.device), drawn) * len(index))
        return {"pretrain/held_out_loss": (torch.stack(losses).sum() / len(some)).item()}

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
            "torch_generator": torch.get_rng_state(),  # What encoders draw while they learn.
            "losses": [loss.cpu() for loss in self.losses],
            **({} if self.movement is None else {"movement": self.movement.state_dict()}),
        }

    def load(self, state: dict[str, Any] | None) -> None:
        """Go on from a saved state, if there is one."""
        if state is None:
            return
        self.step, self.spent = state["step"], Spent.of(state)
        self.planner.load_state_dict(state["planner"])
        self.average.planner.load_state_dict(state["average"])
        self.average.steps = state["average_steps"]
        if self.movement is not None:
            self.movement.load_state_dict(state["movement"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state.get("torch_generator", torch.get_rng_state()))
        # Older states do not hold them; the next mean is then over fewer steps.
        losses = [loss.to(self.planner.device) for loss in state.get("losses", [])]
        self.losses = [loss.reshape(-1) for loss in losses]  # Once without an axis.

    def _augmented(self, batch: Batch) -> Batch:
        """Change the clouds of this process's windows, as they are changed in the whole batch."""
        config, seen = self.config.augment, batch.observations
        if not config.changes or isinstance(seen, Encoded):
            return batch
        frames, points = seen.points.shape[1:3]
        chances = draw(self.config.batch, (frames, points), self.generator, seen.points.device)
        chances = chances.part(self.team.share)
        box = self.planner.normalizer.points
        return replace(batch, observations=augmented(seen, box, config, chances))

    def _losses(self, batch: Batch, drawn: Draws) -> list[Tensor]:
        if self.movement is None or batch.moved is None:
            return [self.planner.loss(batch, drawn)]
        context = self.planner.encode(batch.observations)
        actions = self.planner.normalizer.actions(batch.actions)
        planning = self.planner.loss_of(context, actions, drawn)
        return [planning, self.movement.loss(context, batch.moved)]
