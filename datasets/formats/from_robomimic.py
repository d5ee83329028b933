"""Read robomimic's HDF5, where its observations hold clouds (Mandlekar et al., CoRL 2021).

    data/demo_0/{obs/*, actions, rewards, dones, states, success}; data.attrs["env_args"]

Images alone cannot become clouds: depth and calibration are missing; but of robosuite's tasks the
simulator's states can be drawn (`datasets.formats.shared.robomimic_states`). Clouds stay in the
frame they were recorded in; `states` are kept as the simulator's. Success is what an array or an
attribute `success` says (Isaac Lab writes that attribute), and unknown without: `dones` mark the
end of a demonstration, a success, or both (robomimic's `done_mode`), so they are kept as an array
`done`. In files that this project has written they are true terminals, kept as `terminal`.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from datasets.episode import Episode, Recording
from datasets.formats.shared.clouds import Clouds, check_shape, cleaned, colour_scale
from datasets.formats.shared.hdf5 import (
    entries,
    folder,
    names,
    need,
    numbered,
    place,
    reading,
    rows,
    shape,
)
from datasets.formats.shared.layouts import Rules, Shape, require_alike
from datasets.formats.shared.outcomes import DONES, read_ends, read_successes, told_successes
from datasets.formats.shared.robomimic_states import has_states, open_states
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
OPTIONAL = ("rewards", "dones", "states", "success")
COLUMNS = frozenset({"rewards", "dones", "success"})


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
        InputError: It is damaged, has no clouds, lacks an array, its demonstrations differ, or
            cameras or pictures are asked for.
    """
    if env.simulator == "robosuite" and has_states(path, options.point_key):
        return open_states(path, env, options)
    refuse_cameras(options, "robomimic")
    if options.images:
        raise InputError("images= does not apply to robomimic: only its clouds are converted")
    point_key, points, colour = options.point_key, options.points, options.colour
    with reading(path) as file:
        data = folder(file, "data")
        demos = numbered(data, "demo_")
        keys = options.state_keys or _usual(folder(folder(data, demos[0]), "obs"))
        shapes = {name: _shapes(data, name, (point_key, *keys), options) for name in demos}
        cloud = f"obs/{point_key}"
        remedy = "points=<number> gives all as many, colour=false drops colours"
        require_alike(path.name, shapes, Rules(columns=COLUMNS, remedies={cloud: remedy}))
        successes = told_successes(path.name, data, demos)
        env_args, meaning = data.attrs.get("env_args", ""), data.attrs.get(DONES)
    scale = (
        1.0
        if colour is False
        else colour_scale(_clouds(path, demos, point_key), f"{path.name}: {cloud}")
    )
    clean = partial(cleaned, count=points, colour=colour, scale=scale)

    def read(index: int) -> Episode:
        name = f"{path.name}, {demos[index]}"
        with reading(path) as file:
            demo = file["data"][demos[index]]
            clouds = clean(rows(need(demo, "obs"), point_key), where=name)
            return Episode(_recording(demo, keys), clouds, read_ends(demo, meaning))

    return Source(
        format="robomimic",
        lengths=tuple(one["actions"][0] for one in shapes.values()),
        read=read,
        simulated=False,
        action_size=shapes[demos[0]]["actions"][1],
        options={
            "point_key": point_key, "state_keys": list(keys), "points": points, "colour": colour,
        },
        about={
            "full_colour": scale,
            "env_args": _parsed(str(env_args)),
            "rewards": "as recorded" if "rewards" in shapes[demos[0]] else "not recorded",
            "successes": successes,
        },
    )  # fmt: skip


def _usual(obs: Any) -> tuple[str, ...]:  # noqa: ANN401 (h5py has no types)
    for keys in USUAL_STATES:
        if all(key in obs for key in keys):
            return keys
    there = ", ".join(names(obs))
    raise InputError(f"{place(obs)}: name the robot's state by state_keys=; there are {there}")


def _shapes(
    data: Any,  # noqa: ANN401
    name: str,
    keys: tuple[str, ...],
    options: ReadOptions,
) -> Mapping[str, Shape]:
    """Give the shapes of a demonstration's arrays; clouds as they will be once they are read."""
    demo = folder(data, name)
    obs = folder(demo, "obs")
    if keys[0] not in obs:
        raise InputError(_no_clouds(obs, keys[0]))
    steps, count, channels = _cloud_shape(obs, keys[0], options)
    shapes = {
        "actions": shape(demo, "actions"),
        **{f"obs/{key}": shape(obs, key) for key in keys[1:]},
        f"obs/{keys[0]}": (steps, count, channels),
    }
    found = {key: shape(demo, key) for key in OPTIONAL if key in demo}
    # A store without simulator states is written with states of no number.
    return shapes | {key: size for key, size in found.items() if size[1:] != (0,)}


def _cloud_shape(obs: Any, key: str, options: ReadOptions) -> Shape:  # noqa: ANN401
    recorded = shape(obs, key)
    check_shape((recorded[0], *recorded[1:]), options.colour, place(obs, key))
    channels = 3 if options.colour is False else recorded[2]
    return (recorded[0], options.points or recorded[1], channels)


def _no_clouds(obs: Any, point_key: str) -> str:  # noqa: ANN401
    there = names(obs)
    text = f"{place(obs)} has no {point_key}; it has {', '.join(there)}."
    if any("image" in key or "rgb" in key for key in there):
        text += " Images alone give no cloud: depth images and the cameras' intrinsics are missing."
    if "states" in obs.parent:
        text += " The states of robosuite's tasks are drawn with env=robosuite env.task=."
    return text + " Name the cloud by point_key="


def _clouds(path: Path, demos: list[str], key: str) -> Iterator[Clouds]:
    with reading(path) as file:
        for name in demos:
            yield rows(need(file["data"][name], "obs"), key)


def _recording(demo: Any, state_keys: tuple[str, ...]) -> Recording:  # noqa: ANN401
    actions = rows(demo, "actions").astype(np.float32)
    steps = len(actions)
    flat = [rows(demo["obs"], key).reshape(steps, -1) for key in state_keys]
    rewards = rows(demo, "rewards") if "rewards" in demo else None
    scenes = rows(demo, "states") if "states" in demo else None
    return Recording(
        np.concatenate(flat, axis=1).astype(np.float32),
        actions,
        None if rewards is None else rewards.ravel().astype(np.float32),
        read_successes(demo, steps),
        None if scenes is None or not scenes.size else scenes.astype(np.float64),
        None,
    )


def _parsed(text: str) -> Any:  # noqa: ANN401
    try:
        return json.loads(text)
    except ValueError:
        return text
