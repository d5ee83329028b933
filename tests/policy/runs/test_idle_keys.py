"""Keys that change nothing are found by name, and left out of the commands of an experiment."""

import pytest

from perception.errors import InputError
from policy.runs.idle_keys import (
    idle_in_training,
    idle_in_viewing,
    refuse_idle,
    typed_keys,
    without_idle,
)


def test_what_a_run_has_no_use_for_is_left_out() -> None:
    words = ["+finetune.algorithm.terms.kl.weight=1", "denoiser=unet-small", "seed=1", "traces=3"]
    own = {"init_from": True, "experiment": True}
    idle = idle_in_training(typed_keys(words), stage="finetune", **own)
    assert without_idle(words, idle) == [words[0], "seed=1", "traces=3"]
    own = {"init_from": False, "experiment": False}
    idle = idle_in_training(typed_keys(words), stage="pretrain", **own)
    assert without_idle(words, idle) == ["denoiser=unet-small", "seed=1"]


def test_keys_of_the_other_way_to_view_are_refused() -> None:
    assert idle_in_viewing(["port"], live=True) == {}
    with pytest.raises(InputError, match=r"^port has no effect without live=true: leave it out$"):
        refuse_idle(idle_in_viewing(["port", "seed"], live=False))
    with pytest.raises(InputError, match=r"^out, size have no effect with live=true: leave them"):
        refuse_idle(idle_in_viewing(["out", "size"], live=True))
