"""A camera in a process of its own, which streams a recorded episode.

    python fake_camera.py URL FILE

It has the client's file and nothing else of the project. The file holds the frames as arrays; what
the planner wants done is added to it.
"""

import sys

import numpy as np
from sodp_client import SodpClient  # type: ignore[import-not-found]

PARTS = ("depth", "intrinsics", "world_from_camera", "robot_state")


def main(url: str, path: str) -> None:
    with np.load(path, allow_pickle=False) as file:
        film = dict(file)
    frames = [{name: film[name][index] for name in PARTS} for index in range(len(film["depth"]))]
    chunks, before = [], 0
    with SodpClient(url) as planner:
        planner.reset(int(film["seed"]))
        for now in film["plans"]:
            for frame in frames[before:now]:
                planner.observe(**frame)
            chunks.append(planner.act(**frames[now]))
            before = now + 1
    np.savez(path, chunks=np.stack(chunks))
    assert not {"policy", "perception", "envs", "datasets", "torch"} & set(sys.modules)


if __name__ == "__main__":
    main(*sys.argv[1:])
