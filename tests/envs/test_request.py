"""A command takes its task from its data or planner, but for what it says itself."""

import logging
import re
from dataclasses import MISSING, asdict, fields, replace
from typing import Any

import pytest

from envs.boxes import box_of
from envs.config import EnvConfig, read_env, upgrade_env
from envs.request import EnvRequest
from perception.errors import InputError
from tests.conftest import task_config

MADE = task_config(
    "adroit-door", "env.view.points=128", "env.view.cameras=[fixed]", "env.episode_steps=12"
)


def request(*overrides: str, env: str = "adroit-door", **short: object) -> EnvRequest:
    of_env = [text for text in overrides if text.lstrip("+").startswith("env.")]
    return EnvRequest(task_config(env, *of_env), overrides=overrides, **short)


def test_what_is_not_said_is_as_made() -> None:
    assert request().as_made(MADE, "a store") == MADE
    assert request("env=adroit-door").as_made(MADE, "a store") == MADE
    assert request(env="adroit-pen").as_made(MADE, "a store") == MADE  # A default, not a wish.


def test_what_was_not_kept_is_as_configured() -> None:
    assert request().as_made(None, "a store") == task_config("adroit-door")
    chosen = request("points=32", points=32).as_made(None, "a store")
    assert chosen.view.points == 32


@pytest.mark.parametrize(
    ("overrides", "short"),
    [(("points=32",), {"points": 32}), (("env.view.points=32",), {})],
)
def test_what_is_said_is_done_and_told_in_one_line(
    overrides: tuple[str, ...], short: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        chosen = request(*overrides, **short).as_made(MADE, "a store")
    assert chosen == replace(MADE, view=replace(MADE.view, points=32))
    (line,) = caplog.messages
    assert line == "otherwise than a store: view.points: 128 -> 32"


def test_saying_what_is_so_anyway_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        request("points=128", points=128).as_made(MADE, "a store")
    assert not caplog.messages


def test_a_camera_of_ones_own_may_be_added() -> None:
    side = "{position: [0.9, -0.3, 0.7], quaternion: null, fovy_deg: 45}"
    chosen = request(f"+env.cameras.side={side}", "cameras=[side]", cameras=("side",)).as_made(
        MADE, "a store"
    )
    assert chosen.view.cameras == ("side",)
    assert chosen.cameras["side"].position == (0.9, -0.3, 0.7)
    assert chosen.view.points == 128


def test_another_action_repeat_is_refused() -> None:
    with pytest.raises(InputError, match="made with action_repeat=2, not 1"):
        request("env.action_repeat=1").as_made(MADE, "a store")
    once = replace(MADE, action_repeat=1)
    assert request().as_made(once, "a store").action_repeat == 1


def test_another_task_is_seen_as_the_first_was() -> None:
    reach = task_config("metaworld-reach", "env.view.points=99")
    chosen = request("env=metaworld", env="metaworld-push").as_made(reach, "a planner")
    assert (chosen.name, chosen.task) == ("metaworld-push", "push")
    box = box_of(task_config("metaworld-push").view)
    assert chosen.view == replace(reach.view, **box)  # Its own box; all else as the first.
    by_key = request("env.task=push", env="metaworld-reach").as_made(reach, "a planner")
    assert (by_key.name, by_key.task) == ("metaworld-push", "push")
    assert by_key.view == chosen.view


BEFORE = ("env.view.crop_low=[-0.7,0.2,0.005]", "env.view.crop_high=[0.4,1.05,0.5]")


def test_a_box_that_was_chosen_stays_for_other_tasks_and_one_that_is_said_wins() -> None:
    reach = task_config("metaworld-reach", *BEFORE)  # As files of before boxes per task say it.
    chosen = request("env.task=push", env="metaworld-push").as_made(reach, "a planner")
    assert chosen.view == reach.view
    own = task_config("metaworld-reach")
    said = request("env.task=push", BEFORE[0], env="metaworld-push").as_made(own, "a planner")
    assert said.view.crop_low == (-0.7, 0.2, 0.005)
    assert said.view.crop_high == task_config("metaworld-push").view.crop_high


def test_older_files_are_read() -> None:
    values = {
        "name": "adroit-door", "simulator": "adroit", "task": "door", "episode_steps": 100,
        "action_repeat": 2, "reward_scale": 0.05, "success": "dp3", "success_at": "end",
        "history": 2, "horizon": 4, "chunk": 3, "cameras": {},
        "view": {
            "cameras": ["fixed"], "image_size": 84, "points": 16, "crop_low": [-1, -1, 0],
            "crop_high": [1, 1, 1], "colour": False, "depth": "zbuffer", "geometry": "auto",
            "sampling": "auto",
        },
    }  # fmt: skip
    env = read_env(values)
    assert isinstance(env, EnvConfig)
    assert env.view.points == 16
    state = {**values, "view": {**values["view"], "sees": "state"}}  # type: ignore[dict-item]
    assert upgrade_env(state)["view"]["points"] == 0
    assert env.view.faces == "front"  # As they were drawn: MuJoCo's renderer culls the others.
    both = {**values, "view": {**values["view"], "faces": "both"}}  # type: ignore[dict-item]
    assert read_env(both).view.faces == "both"


DAMAGED: list[tuple[str, Any, str]] = [
    ("", None, "env must be a group of keys, not None"),
    ("", [1, 2], "env must be a group of keys"),
    ("", "adroit", "env must be a group of keys"),
    ("view", 3, "env.view must be a group of keys, not 3"),
    ("view", {}, "Missing key env.view.cameras"),
    ("view.points", "many", "env.view.points must be a whole number"),
    ("view.points", None, "env.view.points must be a whole number"),
    ("view.crop_low", [0, 1], "env.view.crop_low takes 3 values, not 2"),
    ("view.crop_low", {"x": 1}, "env.view.crop_low takes 3 values"),
    ("view.depth", ["zbuffer"], "env.view.depth"),
    ("view.faces", "back", "env.view.faces=back is unknown"),
    ("cameras", [], "env.cameras must be a group of keys"),
    ("cameras", {"top": None}, "env.cameras.top must be a group of keys"),
    ("episode_steps", 2.5, "env.episode_steps must be a whole number"),
    ("task", [], "env.task must be text"),
    ("robot", "mine", "Unknown key env.robot"),
]


@pytest.mark.parametrize(("key", "value", "message"), DAMAGED)
def test_a_damaged_file_is_refused_by_the_key(key: str, value: Any, message: str) -> None:  # noqa: ANN401
    values: Any = asdict(MADE)
    *parents, last = key.split(".")
    inner = values
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    with pytest.raises(InputError, match=re.escape(message)):
        read_env(values if key else value)


NEEDED = [field.name for field in fields(MADE) if field.default is MISSING and field.name != "view"]


@pytest.mark.parametrize("key", NEEDED)
def test_a_missing_key_is_named(key: str) -> None:
    values = {name: value for name, value in asdict(MADE).items() if name != key}
    with pytest.raises(InputError, match=f"Missing key env.{key}"):
        read_env(values)
