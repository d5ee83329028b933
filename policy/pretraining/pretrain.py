"""Pre-training on everything recorded, without rewards or task labels (SODP, Section 3.1)."""

from collections.abc import Callable
from math import isfinite
from pathlib import Path

import torch

from configs.progress import progress
from configs.stopping import StopRequest
from datasets.behaviours.training_state import fitting, load_state
from datasets.windows import Windows
from perception.errors import InputError
from policy.planner.checkpoint import save_planner
from policy.planner.policy import Policy
from policy.pretraining.config import PretrainConfig
from policy.pretraining.distance_field import distance_field_of
from policy.pretraining.head import Head, Heads
from policy.pretraining.learner import Learner
from policy.pretraining.looks import NOTHING, Looks
from policy.pretraining.movement import movement_of
from policy.runs.clock import Clock, Pace
from policy.runs.distributed import ALONE, Team
from policy.runs.run import Run, stopped

STAGE = "pretrain"
HEADS: dict[str, Callable[[Policy, Windows, int], Head]] = {
    "movement": movement_of,
    "distance_field": distance_field_of,
}


def pretrain(
    planner: Policy,
    windows: Windows,
    config: PretrainConfig,
    *,
    run: Run,
    seed: int,
    looks: Looks = NOTHING,
    team: Team = ALONE,
    stop: StopRequest | None = None,
) -> Policy:
    """Train until all steps are done, going on where a stopped or a shorter run ended.

    Args:
        planner: Not trained yet; its normaliser is fitted here.
        windows: The data, on the planner's device; with places for the auxiliary loss.
        config: See `PretrainConfig`.
        run: Where metrics and checkpoints go.
        seed: Of the choice of windows, noise, denoising steps and changes of clouds.
        looks: What is looked at along the way.
        team: The processes that learn together; only its leader writes.
        stop: Asked after every step; where it says so, the state is saved first.

    Returns:
        The average planner, which is the one that acts (also saved as the stage's checkpoint).

    Raises:
        InputError: A loss or a weight was not finite any more, or the disk is full.
        StoppedError: It was asked to stop.
    """
    stop = stop or StopRequest()
    planner.fit(windows)
    if config.windows is not None:
        windows = windows.some(config.windows)
    heads: Heads = {name: HEADS[name](planner, windows, seed) for name in config.auxiliaries}
    learner = Learner(planner, config, seed, team, heads)
    with fitting(run.state_path(STAGE)):
        learner.load(run.resume(STAGE))
    if team.leads:
        with run.writing(STAGE):
            _learn(learner, windows, run, stop, looks)
            _save(learner, windows, run, run.checkpoint(STAGE))
    while learner.step < config.steps:  # The other processes of the team; the leader is done.
        learner.update(windows)
        if learner.asked(stop) and learner.step < config.steps:
            team.stop(stopped("with the first process"))
    return learner.average.planner


def _save(learner: Learner, windows: Windows, run: Run, path: Path) -> None:
    """Write the average planner of so many steps, with what it keeps of its data to act by."""
    learner.average.planner.remember(windows)
    spent = {"gradient_steps": learner.step, **vars(learner.spent)}
    save_planner(learner.average.planner, path, {**run.config["about"], "stage": STAGE, **spent})


def _learn(learner: Learner, windows: Windows, run: Run, stop: StopRequest, looks: Looks) -> None:
    """Take the remaining steps, writing metrics and training states."""
    config, clock = learner.config, Clock(learner.spent)
    metrics, pace = run.metrics(STAGE, learner.step), Pace(learner.step, config.batch)
    with progress(None, "pre-train", config.steps, initial=learner.step, unit="step") as shown:
        while learner.step < config.steps:
            learner.losses.append(learner.update(windows))
            shown.update()
            stopping = learner.asked(stop)
            if learner.step % config.log_every == 0:
                _check(learner, run)
                values = learner.measured()
                metrics.write(learner.step, values, pace.since(learner.step))
                shown.set_postfix(loss=f"{values['pretrain/loss']:.4f}")
            if run.keeping.due(learner.step - 1, learner.step):
                _check(learner, run)
                _save(learner, windows, run, run.kept(STAGE, learner.step))
            if seen := looks.at(learner, windows):
                metrics.write(learner.step, seen)
            if stopping or learner.is_saved:
                _check(learner, run)
                learner.spent = clock.spent
                run.save(STAGE, learner.state())
            if stopping and learner.step < config.steps:
                break
    metrics.close()
    if learner.step < config.steps:
        learner.team.stop(stopped(f"at step {learner.step}"))


def _check(learner: Learner, run: Run) -> None:
    """Refuse to go on from numbers that are not finite; where the device is waited for anyway.

    Raises:
        InputError: One of the newest losses, or a weight now, is not finite.
    """
    values = torch.stack(learner.losses).sum(dim=1).tolist() if learner.losses else []
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
