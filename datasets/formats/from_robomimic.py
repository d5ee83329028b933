"""Read robomimic's HDF5, where its observations hold clouds (Mandlekar et al., CoRL 2021).

    data/demo_0/{obs/*, actions, rewards, dones, states}, ...; data.attrs["env_args"]

Images alone cannot become clouds: depth and calibration are missing. Clouds stay in the frame they
were recorded in; `states` are kept as the simulator's, `dones` tell success.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datasets.episode import Episode, Recording
from datasets.formats.shared.clouds import Clouds, check_shape, cleaned, colour_scale
from datasets.formats.shared.hdf5 import entries, need, reading, rows
from datasets.formats.shared.source import ReadOptions, Source, refuse_cameras
from envs.config import EnvConfig
from perception.errors import InputError

LOOKS_LIKE = "HDF5 with data/demo_0"
# The robot's own state: the first of these sets that is there.
USUAL_STATES = (
    ("state",),
    ("agent_pos",),
    ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos"),
)


def recognises(path: Path) -> bool:
    """Tell whether this is HDF5 with demonstrations."""
    return any(name.startswith("demo_") for name in entries(path, "data"))


def open_source(path: Path, env: EnvConfig, options: ReadOptions) -> Source:
    """Open a file.

    Args:
        path: The HDF5 file.
        env: The task; the clouds are what they are.
        options: `point_key`, `state_keys`, `points` (None keeps their number), `colour` (False
            drops it).

    Raises:
        InputError: It is damaged, has no clouds, lacks an array, or cameras or pictures are asked
            for.
    """
    refuse_cameras(options, "robomimic")
    if options.images:
        raise InputError("images= does not apply to robomimic: only its clouds are converted")
    point_key, points, colour = options.point_key, options.points, options.colour
    with reading(path) as file:
        demos = sorted((n for n in need(file, "data") if n.startswith("demo_")), key=_number)
        if not demos:
            raise InputError(f"{path.name}: data holds no demo_0, demo_1, ...")
        obs = need(file["data"][demos[0]], "obs")
        if point_key not in obs:
            raise InputError(_no_clouds(path, point_key, list(obs)))
        check_shape(obs[point_key].shape, colour, f"{path.name}: obs/{point_key}")
        keys = options.state_keys or _usual(path, obs)
        lengths = tuple(len(need(file["data"][name], "actions")) for name in demos)
        action_size = int(file["data"][demos[0]]["actions"].shape[1])
        env_args = str(file["data"].attrs.get("env_args", ""))
    scale = 1.0 if colour is False else colour_scale(_clouds(path, demos, point_key))
    clean = partial(cleaned, count=points, colour=colour, scale=scale)

    def read(index: int) -> Episode:
        name = f"{path.name}, {demos[index]}"
        with reading(path) as file:
            demo = file["data"][demos[index]]
            clouds = clean(rows(need(demo, "obs"), point_key), where=name)
            return Episode(_recording(demo, keys), clouds)

    return Source(
        format="robomimic",
        lengths=lengths,
        read=read,
        simulated=False,
        action_size=action_size,
        options={
            "point_key": point_key, "state_keys": list(keys), "points": points, "colour": colour,
        },
        about={
            "full_colour": scale,
            "env_args": _parsed(env_args),
            "rewards": "as recorded",
            "successes": "dones, as recorded",
        },
    )  # fmt: skip


def _number(name: str) -> int:
    digits = name.removeprefix("demo_")
    return int(digits) if digits.isdecimal() else -1


def _no_clouds(path: Path, point_key: str, there: list[str]) -> str:
    text = f"{path.name}: obs has no {point_key}; it has {', '.join(there)}."
    if any("image" in key or "rgb" in key for key in there):
        text += " Images alone give no cloud: depth images and the cameras' intrinsics are missing."
    return text + " Name the cloud by point_key="


def _usual(path: Path, obs: Any) -> tuple[str, ...]:  # noqa: ANN401 (h5py has no types)
    for keys in USUAL_STATES:
        if all(key in obs for key in keys):
            return keys
    raise InputError(f"{path.name}: name the robot's state by state_keys=; {', '.join(obs)}")


def _clouds(path: Path, demos: list[str], key: str) -> Iterator[Clouds]:
    with reading(path) as file:
        for name in demos:
            yield rows(need(file["data"][name], "obs"), key)


def _recording(demo: Any, state_keys: tuple[str, ...]) -> Recording:  # noqa: ANN401
    actions = rows(demo, "actions").astype(np.float32)
    parts = {key: rows(demo["obs"], key) for key in state_keys}
    others = {key: rows(demo, key) for key in ("rewards", "dones", "states") if key in demo}
    for key, values in {**parts, **others}.items():
        if len(values) != len(actions):
            raise InputError(f"{demo.name}: {len(actions)} actions, but {len(values)} of {key}")
    flat = [values.reshape(len(actions), -1) for values in parts.values()]
    rewards, dones, states = (others.get(key) for key in ("rewards", "dones", "states"))
    return Recording(
        np.concatenate(flat, axis=1).astype(np.float32),
        actions,
        None if rewards is None else rewards.ravel().astype(np.float32),
        None if dones is None else dones.ravel().astype(bool),
        None if states is None else states.astype(np.float64),
        None,
    )


def _parsed(text: str) -> Any:  # noqa: ANN401
    try:
        return json.loads(text)
    except ValueError:
        return text
