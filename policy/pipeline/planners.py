"""Planners that a run reads: each once."""

from pathlib import Path
from typing import Any

from datasets.store.store import EpisodeStore
from datasets.windows import Windows
from perception.observation import Observation
from policy.pipeline.config import Recipe
from policy.planner.building import make_policy
from policy.planner.checkpoint import as_planner, load_planner, load_policy
from policy.planner.config import Sizes
from policy.planner.planner import Planner
from policy.planner.policy import Policy
from policy.pretraining.encode_store import check_encoder, copy_visual_part
from policy.runs.run import find_checkpoint


class Planners:
    """What was read from checkpoints, until it is to be changed."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[Policy, dict[str, Any]]] = {}

    def read(self, path: Path) -> tuple[Policy, dict[str, Any]]:
        """Give a planner and what its checkpoint says of it; nobody may change it."""
        if path not in self._read:
            self._read[path] = load_policy(path)
        return self._read[path]

    def take(self, path: Path) -> tuple[Planner, dict[str, Any]]:
        """Give a planner to be changed: it is read again when it is next asked for.

        Raises:
            InputError: It is a policy of another kind.
        """
        self.read(path)
        policy, about = self._read.pop(path)
        return as_planner(policy, path), about

    def forget(self, path: Path) -> None:
        """Forget a planner whose file is about to be written anew."""
        self._read.pop(path, None)


def make_planner(recipe: Recipe, data: tuple[Path, ...], windows: Windows) -> Policy:
    """Make a fresh planner for some data; for features of clouds, with the encoder that made them.

    Raises:
        InputError: The features were made by another planner than `encoder_from`.
    """
    observations, prompts = windows.observations, windows.further.prompts
    config = recipe.planner.of_tasks(() if prompts is None else prompts.names)
    robot_state, actions = observations.robot_state.shape[-1], windows.actions.shape[-1]
    if isinstance(observations, Observation):
        sizes = Sizes(observations.channels, robot_state, actions)
        return make_policy(config, sizes)
    if recipe.encoder_from is None:
        raise RuntimeError("A run on features was begun without the encoder that made them")
    path = find_checkpoint(recipe.encoder_from)
    for store in data:
        check_encoder(EpisodeStore.open(store), path)
    seeing, _ = load_planner(path)
    planner = make_policy(config, Sizes(seeing.sizes.channels, robot_state, actions))
    copy_visual_part(seeing, planner)
    return planner
