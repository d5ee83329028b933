"""Several processes that learn together: `torchrun --nproc-per-node 2 policy/train.py ...`.

Each draws the whole batch from the same generator and learns from its own share; gradients are
averaged, so all hold the same weights: those of one process that learns from the whole batch.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn

import torch
import torch.distributed as dist
from torch import Tensor

from configs.stopping import StoppedError
from perception.errors import InputError

STOPPED = 130  # The exit code of a command that stopped when it was asked to.
CPU = torch.device("cpu")
PATIENCE = timedelta(days=30)  # Of those that wait while the first evaluates or fine-tunes.


@dataclass(frozen=True)
class Team:
    """The processes of a run, and which of them this is."""

    rank: int
    size: int
    device: torch.device = CPU

    @property
    def leads(self) -> bool:
        """Whether this one writes, evaluates and speaks."""
        return self.rank == 0

    def share(self, values: Tensor) -> Tensor:
        """Cut this process's part out of what all have drawn.

        Raises:
            InputError: It cannot be cut into equal parts.
        """
        if len(values) % self.size:
            raise InputError(
                f"pretrain.batch={len(values)} has no equal parts for {self.size} processes"
            )
        return values.chunk(self.size)[self.rank]

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors of one type by their means over all processes."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        means = (flat / self.size).split([tensor.numel() for tensor in tensors])
        for tensor, mean in zip(tensors, means, strict=True):
            tensor.copy_(mean.view_as(tensor))

    def any(self, asked: bool) -> bool:
        """Tell all processes whether any of them says yes."""
        if self.size == 1:
            return asked
        said = torch.tensor(float(asked), device=self.device)
        dist.all_reduce(said, dist.ReduceOp.MAX)
        return bool(said.item())

    def stop(self, stopped: StoppedError) -> NoReturn:
        """End this process after a request to stop; the leader says where.

        Raises:
            StoppedError: In the leader.
            SystemExit: In the others, with the same exit code.
        """
        if self.leads:
            raise stopped
        raise SystemExit(STOPPED)

    def wait(self) -> None:
        """Wait until all are here.

        Raises:
            InputError: Another process has ended, and says why.
        """
        if self.size > 1:
            try:
                dist.barrier()
            except RuntimeError as error:
                raise InputError(f"Another process of the team has ended ({error})") from error

    @contextmanager
    def first_the_leader(self) -> Iterator[None]:
        """Let the leader do something before the others do the same.

        Raises:
            SystemExit: In the others, where the leader was refused, who says why.
        """
        if not self.leads and self.any(False):
            raise SystemExit(2)
        refused = True
        try:
            yield
            refused = False
        finally:
            if self.leads:
                self.any(refused)


ALONE = Team(0, 1)


@contextmanager
def said_once() -> Iterator[None]:
    """Let the first of torchrun's processes alone say why all of them are refused.

    Raises:
        SystemExit: In the others.
    """
    try:
        yield
    except InputError:
        if int(os.environ.get("RANK", "0")) > 0:
            raise SystemExit(2) from None
        raise


@contextmanager
def team_of(device: torch.device) -> Iterator[Team]:
    """Be one of torchrun's processes, or alone where it started none; leave when all are done."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    team = Team(dist.get_rank(), dist.get_world_size(), torch.device(device.type))
    if not team.leads:
        logging.disable(logging.INFO)  # One voice is enough.
    try:
        yield team
        team.wait()
    except (StoppedError, SystemExit) as ended:
        if isinstance(ended, StoppedError) or ended.code == STOPPED:
            team.wait()  # The others are on their way here, or wait here already.
        raise
    finally:
        dist.destroy_process_group()
