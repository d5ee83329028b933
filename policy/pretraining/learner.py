"""A planner that learns from windows, step by step, and goes on after a kill."""

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType
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
from policy.pretraining.head import Head, Heads
from policy.runs.clock import Spent
from policy.runs.device import autocast
from policy.runs.distributed import ALONE, Team

NO_HEADS: Heads = MappingProxyType({})
HELD_OUT = 1000  # Windows at most that are looked at.
RATE, NORM = "pretrain/learning_rate", "pretrain/gradient_norm"


class Learner:
    """A planner that learns from windows, with everything needed to go on after a kill.

    Args:
        planner: It learns in place.
        config: See `PretrainConfig`.
        seed: Of the choice of windows, noise, denoising steps and changes of clouds.
        team: The processes that learn together.
        heads: They learn along, and are thrown away; see `PretrainConfig.auxiliaries`.
    """

    def __init__(
        self,
        planner: Policy,
        config: PretrainConfig,
        seed: int,
        team: Team = ALONE,
        heads: Heads = NO_HEADS,
    ) -> None:
        self.planner, self.config, self.step, self.spent = planner.train(), config, 0, Spent()
        self.average = MovingAverage(planner)
        self.heads = heads
        of_heads = [weight for head in heads.values() for weight in head.parameters()]
        self._learning = [*planner.parameters(), *of_heads]
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

    @property
    def is_saved(self) -> bool:
        """Whether its state is saved after the newest step, even if nobody stops it."""
        return self.step % self.config.save_every == 0 or self.step == self.config.steps

    def update(self, windows: Windows) -> torch.Tensor:
        """Take one gradient step, on this process's share of the batch.

        Returns:
            The whole batch's loss of Eq. 7, and those of the heads.
        """
        count, share = self.config.batch, self.team.share
        index = share(torch.randint(len(windows), (count,), generator=self.generator))
        chances = share(windows.draw(count, self.generator))
        sources: list[Policy | Head] = [self.planner, *self.heads.values()]
        drawn = [tuple(map(share, source.draw(count, self.generator))) for source in sources]
        chosen = windows.batch(moved(index, windows.rows.device), chances)
        batch = self._augmented(chosen.to(self.planner.device))
        with autocast(self.config.precision, self.planner.device):
            losses = self._losses(batch, drawn)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.rate(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        total, weights = losses[0], self.config.auxiliaries
        for name, loss in zip(self.heads, losses[1:], strict=True):
            total = torch.add(total, loss, alpha=weights[name])
        total.backward()
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
        names = [f"pretrain/{name}" for name in ("loss", *self.heads)]
        named = dict(zip(names, means.tolist(), strict=True))
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
            **{name: head.state_dict() for name, head in self.heads.items()},
        }

    def load(self, state: dict[str, Any] | None) -> None:
        """Go on from a saved state, if there is one."""
        if state is None:
            return
        self.step, self.spent = state["step"], Spent.of(state)
        self.planner.load_state_dict(state["planner"])
        self.average.planner.load_state_dict(state["average"])
        self.average.steps = state["average_steps"]
        for name, head in self.heads.items():
            head.load_state_dict(state[name])
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

    def _losses(self, batch: Batch, drawn: Sequence[Draws]) -> list[Tensor]:
        if not self.heads:
            return [self.planner.loss(batch, drawn[0])]
        context = self.planner.encode(batch.observations)
        actions = self.planner.normalizer.actions(batch.actions)
        planning = self.planner.loss_of(context, actions, drawn[0])
        heads = zip(self.heads.values(), drawn[1:], strict=True)
        return [planning, *(head.loss(context, batch, own) for head, own in heads)]
