"""Text and paths are what the shell gave; everything else is read as a value, or refused."""

from pathlib import Path

import pytest

from configs.command import compose
from datasets.collection.collector import CollectConfig
from datasets.collection.merger import MergeConfig
from perception.errors import InputError
from policy.pipeline.config import TrainConfig

NAMES = (
    "20240101_1200", "1e3", "1.50", "0x10", "-1", "inf", "null", "true", "日本.zarr", "run(1).zarr",
    "a=b.zarr", "a#b.zarr", "a b.zarr", " lead", "a,b.zarr", "it's.zarr", "${x}",
    "${env.name}.zarr", "$HOME/x", "{a}", "[a]", "a\\b", "@x", "x:y", "*", "%s", "???",
    "a\nb", "~nobody/x", "_verbatim_0_",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_path_is_what_was_typed(name: str) -> None:
    assert str(compose(MergeConfig, "merge", ["data=a.zarr", f"out={name}"]).out) == name


def test_the_home_folder_is_meant() -> None:
    given = compose(MergeConfig, "merge", ["data=[~/a.zarr,b.zarr]", "out=~/q.zarr"])
    assert given.out == Path.home() / "q.zarr"
    assert given.data == (Path.home() / "a.zarr", Path("b.zarr"))


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("1e3", ["1e3"]),
        ("a,b.zarr", ["a,b.zarr"]),
        ("[1e3, 日本.zarr]", ["1e3", "日本.zarr"]),
        ("['a,b.zarr', c]", ["a,b.zarr", "c"]),
        ("[a b,${x},null]", ["a b", "${x}", "null"]),
        ("[run(1).zarr,a=b]", ["run(1).zarr", "a=b"]),
        ("[a,]", ["a"]),
    ],
)
def test_a_list_of_paths_is_what_was_typed(typed: str, meant: list[str]) -> None:
    given = compose(MergeConfig, "merge", [f"data={typed}", "out=o.zarr"])
    assert [str(path) for path in given.data] == meant


def test_a_text_is_seen_where_another_value_names_it() -> None:
    given = compose(CollectConfig, "collect", ["env.name=1e3"])
    assert (given.env.name, str(given.out)) == ("1e3", "data/1e3.zarr")


def test_null_is_no_value_where_there_need_be_none() -> None:
    given = compose(TrainConfig, "train", ["init_from=null", "experiment=1e3", "results=null"])
    assert (given.recipe.init_from, given.experiment) == (None, "1e3")
    assert str(given.results) == "null"


CAMERA = "+env.cameras.side={position: [0.9, -0.3, 0.7], quaternion: [1, 0, 0, 0], fovy_deg: 45}"


@pytest.mark.parametrize("plus", ["", "+", "++"])
def test_a_camera_is_added_with_or_without_hydras_sign(plus: str) -> None:
    given = compose(CollectConfig, "collect", [plus + CAMERA.lstrip("+")])
    assert given.env.cameras["side"].fovy_deg == 45


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["out="], "out is empty; give a path"),
        (["out=a\0b"], "out must be text without NUL characters"),
        (["out=caf\udce9"], "out must be UTF-8, not b'caf\\xe9'"),
        (["epsodes=3"], "Unknown key epsodes; there are env, behaviour, episodes"),
        (["epsodes=3"], "did you mean episodes?"),
        (["image_size=3"], "did you mean env.view.image_size?"),
        ([CAMERA, "epsodes=2"], "Unknown key epsodes"),
        (["env=adroit-dor"], "did you mean adroit-door?"),
        (["episodes=1,2"], "episodes must be a whole number, not '1,2'"),
        (["episodes=((("], "episodes must be a whole number, not '((('"),
        (["episodes=${nowhere}"], "Interpolation key 'nowhere' not found"),
        (["episodes"], "'episodes' is no key=value"),
        (["env.view=["], "env.view must be a group of keys"),
        (["~episodes"], "Missing key episodes"),
        (["behaviour=scripted", "behaviour.path=a"], "Unknown key behaviour.path"),
        (["episodes.x=1"], "Unknown key episodes.x; there are no keys below"),
        (["日=1"], "Unknown key 日"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_key(overrides: list[str], message: str) -> None:
    with pytest.raises(InputError) as refused:
        compose(CollectConfig, "collect", overrides)
    assert message in str(refused.value)


def test_a_choice_that_is_taken_from_another_key_says_which() -> None:
    with pytest.raises(InputError, match=r"give denoiser\.blocks= in place of"):
        compose(TrainConfig, "train", ["planner.denoiser.blocks=2"])


def test_what_must_be_given_is_asked_for() -> None:
    with pytest.raises(InputError, match="Missing key data: give data=<"):
        compose(MergeConfig, "merge", ["out=o.zarr"])
    with pytest.raises(InputError, match=r"finetune\.experience is empty"):
        compose(TrainConfig, "train", ["stage=finetune", "finetune=offline"])
