"""The critics that a fine-tuning leaves beside its planner, to guide it when it is evaluated."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol, runtime_checkable

import torch

from configs.build import build
from configs.ranges import Positive, Width, between
from datasets.behaviours.critics import Critics
from perception.errors import InputError
from policy.finetuning.guided.guide import Candidates, ExploreConfig, Guide
from policy.finetuning.guided.sight import Sees
from policy.planner.planner import Planner
from policy.planner.policy import Policy
from policy.planner.tensor_file import REFUSED, Contents, read_tensors, said_of, write_tensors

DESCRIPTIONS = ("critics", "about")


@dataclass(frozen=True)
class CriticsForm:
    """How critics are built, and what their values mean.

    Attributes:
        situations: Numbers that describe a situation to them.
        actions: Numbers of an executed chunk.
        hidden: Width of their hidden layers.
        count: How many there are.
        sees: What describes a situation: the planner's context, the simulator's state, or both.
        scale: What rewards were multiplied by.
        candidates: Plans that they chose among while learning.
    """

    situations: Width
    actions: Width
    hidden: Width
    count: Annotated[int, between(1, 16)]
    sees: Sees
    scale: Positive
    candidates: Candidates


@dataclass(frozen=True)
class SavedCritics:
    """Critics, and what is to be known of them."""

    critics: Critics
    form: CriticsForm

    def guide(self, planner: Policy, candidates: int) -> Guide:
        """Give what follows the best of so many plans, on the planner's device.

        Raises:
            InputError: The critics see what no robot sees, or they are beside another policy.
        """
        if not isinstance(planner, Planner):
            raise InputError("Only the diffusion planner has several plans to choose from")
        if self.form.sees != "context":
            raise InputError(
                f"The critics of this planner see the simulator's state (sees={self.form.sees}),"
                " which no robot has: they cannot guide it where it is judged; leave candidates="
                " out, or fine-tune with critics that see the context"
            )
        still = ExploreConfig(candidates, 0, 0, 0, 0, 0, by_motion=False, until=0)
        return Guide(planner, self.critics.to(planner.device), still, explore=False)


@runtime_checkable
class Guiding(Protocol):
    """An algorithm whose critics may guide its planner when that is evaluated, too."""

    def saved_critics(self) -> SavedCritics | None:
        """Give the critics as they are; None where they have not learned anything."""


def critics_path(checkpoint: Path) -> Path:
    """Say where the critics of a planner lie: beside its checkpoint."""
    return checkpoint.with_name(f"{checkpoint.stem}-critics{checkpoint.suffix}")


def save_critics(algorithm: object, checkpoint: Path, about: Mapping[str, Any]) -> None:
    """Write the critics of an algorithm that has some; before its planner, which ends a stage.

    Args:
        algorithm: What has fine-tuned.
        checkpoint: Where its planner will lie.
        about: What the planner's checkpoint will say: by it the two are known to be of one moment.

    Raises:
        InputError: A weight is not finite.
        OSError: The disk is full, or the like.
    """
    saved = algorithm.saved_critics() if isinstance(algorithm, Guiding) else None
    if saved is not None:
        said = {"critics": json.dumps(asdict(saved.form)), "about": json.dumps(dict(about))}
        write_tensors(critics_path(checkpoint), Contents(said, saved.critics.state_dict()))


def load_critics(checkpoint: Path, about: Mapping[str, Any]) -> SavedCritics:
    """Read the critics beside a planner's checkpoint.

    Args:
        checkpoint: The planner's file.
        about: What it says of its planner.

    Raises:
        InputError: There are none, they are damaged, or another planner's.
    """
    path = critics_path(checkpoint)
    if not path.is_file():
        raise InputError(
            f"There are no critics beside {checkpoint} ({path.name}): only an algorithm that has"
            " some leaves them (finetune=q_guided); leave candidates= out"
        )
    try:
        saved, of = _load(path)
    except REFUSED as error:
        raise InputError(
            f"{path} does not hold critics of this program, or is damaged: {said_of(error)}"
        ) from error
    if of != about:
        raise InputError(
            f"{path} is of another planner than {checkpoint}: finish its run by the same"
            " policy/train.py command, or leave candidates= out"
        )
    return saved


def _load(path: Path) -> tuple[SavedCritics, dict[str, Any]]:
    """Read critics, and what is said of their planner."""
    contents = read_tensors(path, DESCRIPTIONS)
    said, about = (json.loads(contents.metadata[key]) for key in DESCRIPTIONS)
    form = build(CriticsForm, said)
    with torch.device("meta"):  # Whatever the file says, it takes no memory.
        critics = Critics(form.situations, form.actions, form.hidden, form.count)
    critics.load_state_dict(contents.tensors, assign=True)
    return SavedCritics(critics.requires_grad_(requires_grad=False), form), about
