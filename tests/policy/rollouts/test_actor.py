"""A planner that is fed with depth images does what it does in the simulator, or says why not."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datasets.cameras.frames import Frame, Limits
from envs.config import EnvConfig
from perception import sensors
from perception.encoders import state_only
from perception.errors import InputError
from policy.planner.checkpoint import save_planner
from policy.planner.config import PlannerConfig, Sizes
from policy.planner.planner import Planner
from policy.rollouts.actor import Actor
from tests.conftest import task_config
from tests.helpers.small_planner import SHORT, quick_planner
from tests.policy.rollouts.camera_frames import Filmed, film, of_one_camera, saved

SEED = 5


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, EnvConfig]:
    return saved(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def filmed(run: tuple[Path, EnvConfig]) -> Filmed:
    return film(quick_planner(), run[1], SEED)


def play(actor: Actor, filmed: Filmed, change: Callable[[Frame], Frame]) -> None:
    """Show an actor what was filmed: it must do what was done."""
    for between, now, chunk in filmed.rounds():
        for frame in between:
            actor.observe(**vars(change(frame)))
        planned = actor.act(**vars(change(now)))
        assert planned.dtype == np.float32
        np.testing.assert_array_equal(planned[: len(chunk)], chunk)


@pytest.mark.parametrize("change", [of_one_camera, lambda frame: frame])
def test_what_is_done_is_what_is_done_in_the_simulator(
    run: tuple[Path, EnvConfig], filmed: Filmed, change: Callable[[Frame], Frame]
) -> None:
    actor = Actor.load(run[0])
    assert len(filmed.chunks) == 4
    for _ in range(2):  # Nothing is left of the episode before.
        actor.reset(SEED)
        play(actor, filmed, change)
    actor.reset(SEED + 1)
    assert not np.array_equal(actor.act(**vars(filmed.frames[0])), filmed.chunks[0])


def test_several_cameras_with_colour_are_fused_as_in_the_simulator() -> None:
    cameras = "env.view.cameras=[top,vil_camera]"
    env = task_config("adroit-door", *SHORT, cameras, "env.view.colour=true")
    small = quick_planner()
    torch.manual_seed(0)
    planner = Planner(small.config, Sizes(6, 24, 28)).eval()
    filmed = film(planner, env, SEED)
    actor = Actor(planner, env.view)
    actor.reset(SEED)
    turned = [
        {name: frame.depth[name] for name in reversed(frame.depth)} for frame in filmed.frames
    ]  # The order of the names must not matter.
    frames = [replace(f, depth=depth) for f, depth in zip(filmed.frames, turned, strict=True)]
    play(actor, replace(filmed, frames=frames), lambda frame: frame)
    frame = frames[0]
    for wrong, message in [
        (of_one_camera(frame), r"has 2 cameras \(top, vil_camera\): give depth"),
        (replace(frame, depth={"top": frame.depth["top"]}), "depth is of the cameras top, and"),
        (replace(frame, colour=None), "has colour: give colour="),
    ]:
        actor.reset()
        with pytest.raises(InputError, match=message):
            actor.act(**vars(wrong))


def test_whole_millimetres_are_said_once_and_act_nearly_alike(
    run: tuple[Path, EnvConfig], filmed: Filmed, caplog: pytest.LogCaptureFixture
) -> None:
    sensors._say_millimetres.cache_clear()
    actor, frame = Actor.load(run[0]), of_one_camera(filmed.frames[0])
    millimetres = np.rint(np.asarray(frame.depth) * 1000).astype(np.uint16)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            actor.reset(SEED)
            planned = actor.act(**vars(replace(frame, depth=millimetres)))
    assert caplog.text.count("taken as millimetres") == 1
    np.testing.assert_allclose(planned, filmed.chunks[0], atol=0.05)
    actor.reset(SEED)
    ideal = replace(frame, distortion=np.zeros(5))
    np.testing.assert_array_equal(actor.act(**vars(ideal)), filmed.chunks[0])
    actor.reset(SEED)
    bent = replace(frame, distortion=np.array([-0.2, 0, 0, 0, 0]))
    assert not np.array_equal(actor.act(**vars(bent)), filmed.chunks[0])


def mirrored(frame: Frame) -> np.ndarray:
    return frame.world_from_camera @ np.diag([-1.0, 1, 1, 1])


Wrong = Callable[[Any], dict[str, Any]]
WRONG: list[tuple[Wrong, str]] = [
    (lambda f: {"depth": f.depth * 1000}, r"Camera top: .*these are millimetres"),
    (lambda f: {"depth": f.depth / 1000}, "divided by 1000 twice"),
    (lambda f: {"depth": (f.depth * 1000).astype(np.int32)}, "uint16 .* not int32"),
    (lambda f: {"depth": f.depth[None]}, r"\(height, width\) pixels, not \(1, 84, 84\)"),
    (lambda f: {"world_from_camera": mirrored(f)}, "Camera top: .*mirrors the world"),
    (lambda f: {"world_from_camera": 2 * f.world_from_camera}, "last row"),
    (lambda f: {"world_from_camera": np.full((4, 4), "x")}, "must be 4 x 4 real numbers"),
    (
        lambda f: {"world_from_camera": f.world_from_camera @ np.diag([1.0, -1, -1, 1])},
        r"0 of \d+ seen points lie in the crop box .* OpenGL's axes",
    ),
    (lambda f: {"depth": np.zeros_like(f.depth)}, "0 of 0 seen points.*no pixel has a depth"),
    (lambda f: {"depth": np.full_like(f.depth, np.nan)}, "no pixel has a depth"),
    (lambda f: {"intrinsics": f.intrinsics[:2]}, r"K must be .* not float64 of \(2, 3\)"),
    (
        lambda f: {"intrinsics": np.diag([8.0, 8, 1]) @ f.intrinsics},
        "picture is 84 x 84, and K .* of pictures of about 665 x 665",
    ),
    (lambda f: {"distortion": np.ones(8)}, "five coefficients"),
    (lambda f: {"robot_state": f.robot_state[:7]}, r"24 real numbers, not float32 of \(7,\)"),
    (
        lambda f: {"robot_state": np.where(np.arange(24) == 3, np.nan, f.robot_state)},
        r"robot_state\[3\] is nan",
    ),
    (lambda f: {"stamp": float("nan")}, "finite number of seconds"),
]


def test_a_frame_that_cannot_be_right_is_refused_by_its_cause_and_changes_nothing(
    run: tuple[Path, EnvConfig], filmed: Filmed
) -> None:
    actor, frame = Actor.load(run[0]), of_one_camera(filmed.frames[0])
    actor.reset(SEED)
    for wrong, message in WRONG:
        with pytest.raises(InputError, match=message):
            actor.act(**vars(replace(frame, **wrong(frame))))
    with pytest.raises(InputError, match="Nothing was seen"):
        actor.plan()
    np.testing.assert_array_equal(actor.act(**vars(frame)), filmed.chunks[0])


def test_a_few_points_are_too_few(run: tuple[Path, EnvConfig], filmed: Filmed) -> None:
    frame = of_one_camera(filmed.frames[0])
    far = frame.world_from_camera.copy()
    far[:3, 3] += 7
    with pytest.raises(InputError, match=r"most lie within .*Compare world_from_camera"):
        Actor.load(run[0]).act(**vars(replace(frame, world_from_camera=far)))
    few = np.zeros_like(frame.depth)
    near = np.unravel_index(frame.depth.argsort(axis=None)[:16], few.shape)  # The door and hand.
    few[near] = frame.depth[near]
    with pytest.raises(InputError, match=r"16 of 16 seen points lie .* at least 50 .* few pixels"):
        Actor.load(run[0]).act(**vars(replace(frame, depth=few)))
    easy = Actor.load(run[0], limits=Limits(least_points=1))
    assert easy.act(**vars(replace(frame, depth=few))).shape == (3, 28)


def test_late_and_dropped_frames_are_refused(
    run: tuple[Path, EnvConfig], filmed: Filmed, caplog: pytest.LogCaptureFixture
) -> None:
    actor, frame = Actor.load(run[0]), filmed.frames[0]
    actor.act(**vars(replace(frame, stamp=100.0)))
    for stamp in (100.0, 99.0):
        with pytest.raises(InputError, match=r"came late: one of 100\.000 s was there"):
            actor.observe(**vars(replace(frame, stamp=stamp)))
    with pytest.raises(InputError, match=r"1.500 s lie between .* frames were dropped.* reset\(\)"):
        actor.observe(**vars(replace(frame, stamp=101.5)))
    actor.act(**vars(replace(frame, stamp=100.1)))
    assert caplog.text.count("looks back at 2 consecutive") == 1  # None between two plans.
    actor.reset()
    actor.act(**vars(replace(frame, stamp=3.0)))


def test_planners_that_no_camera_serves_are_refused(run: tuple[Path, EnvConfig]) -> None:
    env = run[1]
    of_state = replace(quick_planner().config, encoder=state_only.Config("state_only"))
    with pytest.raises(InputError, match=r"simulator's own state, which no camera does"):
        Actor(Planner(of_state, Sizes(0, 39, 28)), env.view)
    coloured = replace(env.view, colour=True)
    with pytest.raises(InputError, match="points of 3 numbers, and the view makes 64 points of 6"):
        Actor(quick_planner(), coloured)
    with pytest.raises(InputError, match="seed must lie between 0"):
        Actor(quick_planner(), env.view).reset(-1)


def test_a_checkpoint_that_does_not_say_how_it_sees_needs_a_view(
    run: tuple[Path, EnvConfig], filmed: Filmed, tmp_path: Path
) -> None:
    path = tmp_path / "old.safetensors"
    save_planner(quick_planner(), path, {"task": "own-robot"})
    with pytest.raises(InputError, match="does not say how its clouds were made: give view="):
        Actor.load(path)
    actor = Actor.load(path, view=run[1].view)
    actor.reset(SEED)
    np.testing.assert_array_equal(actor.act(**vars(filmed.frames[0])), filmed.chunks[0])


def test_the_configuration_of_the_small_planner_looks_back() -> None:
    config: PlannerConfig = quick_planner().config
    assert (config.history, config.chunk) == (2, 3)  # Else the tests above would show less.
