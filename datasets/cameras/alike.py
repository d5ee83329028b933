"""What all steps of a store have in common: sizes, parts, lenses. The first step decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from datasets.cameras.steps import Step
from datasets.store.store import EpisodeStore
from perception.camera import Pinhole
from perception.errors import InputError

SAME_LENS = 1e-6  # Relative: calibrations differ by more, and round trips through text by less.
OPTIONAL = ("reward", "stamp")  # Given at every step, or at none.


@dataclass(frozen=True)
class Lens:
    """What does not change of a camera while a store is recorded: its pictures' size, and K."""

    size: tuple[int, int]
    intrinsics: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, camera: Pinhole) -> "Lens":
        """Read it off a camera."""
        rows = tuple(tuple(map(float, row)) for row in camera.intrinsics)
        return cls((camera.width, camera.height), rows)

    @classmethod
    def said(cls, described: Mapping[str, Any]) -> "Lens":
        """Read it off what a store says of a camera."""
        width, height = described["size"]
        return cls((width, height), tuple(tuple(row) for row in described["intrinsics"]))

    def is_like(self, other: "Lens") -> bool:
        """Tell whether two are one, but for rounding."""
        return self.size == other.size and np.allclose(
            self.intrinsics, other.intrinsics, rtol=SAME_LENS, atol=0
        )

    def __str__(self) -> str:
        """Say it in words."""
        (fx, _, cx), (_, fy, cy), _ = self.intrinsics
        width, height = self.size
        return f"{width} x {height} with fx {fx:.6g}, fy {fy:.6g}, cx {cx:.6g}, cy {cy:.6g}"


@dataclass(frozen=True)
class Alike:
    """What every step must agree in.

    Attributes:
        robot_state: Numbers of it.
        action: Numbers of it.
        parts: Which optional parts are given.
        lenses: By the cameras' names.
    """

    robot_state: int
    action: int
    parts: frozenset[str]
    lenses: dict[str, Lens]

    @classmethod
    def of_step(cls, step: Step) -> "Alike":
        """Read it off a step."""
        given = {"reward": step.told.reward, "stamp": step.stamp}
        return cls(
            robot_state=len(step.robot_state),
            action=len(step.action),
            parts=frozenset(name for name, value in given.items() if value is not None),
            lenses={name: Lens.of(view.camera) for name, view in step.views.items()},
        )

    @classmethod
    def of_store(cls, store: EpisodeStore) -> "Alike | None":
        """Read it off a store; None where that holds no episode yet."""
        if not store.episodes:
            return None
        first = slice(0, 1)
        return cls(
            robot_state=store.read("state", first).shape[1],
            action=store.read("action", first).shape[1],
            parts=frozenset(name for name in OPTIONAL if name in store.names),
            lenses={n: Lens.said(said) for n, said in store.attributes["cameras"].items()},
        )

    def refuse_other(self, step: "Alike") -> None:
        """Refuse a step that differs.

        Raises:
            InputError: In what, and what the steps before have.
        """
        for name in ("robot_state", "action"):
            wanted, came = getattr(self, name), getattr(step, name)
            if wanted != came:
                raise InputError(f"{name} has {came} numbers, and {wanted} at the steps before")
        for name in OPTIONAL:
            if (name in self.parts) != (name in step.parts):
                was = "was given" if name in self.parts else "was not given"
                raise InputError(f"{name} {was} at the steps before: give it at all, or at none")
        for name, lens in self.lenses.items():
            if not lens.is_like(step.lenses[name]):
                raise InputError(
                    f"Camera {name}: pictures are {step.lenses[name]}, and were {lens} before; a"
                    " store has one lens for each camera: record into another out="
                )
