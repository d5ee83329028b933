"""Wrong shapes are found in the first calls of each test, and in one of so many later."""

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from perception.camera import Pinhole, project
from tests.helpers.checked.some_calls import FIRST, ONE_OF


def camera(pose: np.ndarray) -> Pinhole:
    return Pinhole(8, 8, 4.0, pose)


@pytest.mark.parametrize("again", [False, True])
def test_the_first_calls_of_each_test_are_checked(again: bool) -> None:
    for _ in range(FIRST):
        with pytest.raises(TypeCheckError, match=r"parameters of perception\.camera\.project"):
            project(np.zeros((2, 2)), camera(np.eye(4)))


def test_later_one_of_so_many_is_checked() -> None:
    for _ in range(100):
        project(np.zeros((2, 3)), camera(np.eye(4)))
    errors = []
    for _ in range(ONE_OF):
        with pytest.raises((TypeCheckError, ValueError)) as caught:
            project(np.zeros((2, 2)), camera(np.eye(4)))
        errors.append(caught.type)
    assert errors.count(TypeCheckError) == 1


@pytest.mark.parametrize("again", [False, True])
def test_what_a_dataclass_is_made_from_is_checked(again: bool) -> None:
    with pytest.raises(TypeCheckError, match=r"Pinhole\.__init__"):
        camera(np.eye(3))
