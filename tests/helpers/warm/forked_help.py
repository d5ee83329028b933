"""Ask scripts for their help, each in a fork of a process that has the libraries, but none of ours.

    python tests/helpers/warm/forked_help.py SCRIPT...

What each says is written here, by its name, and then its exit code. The libraries need
seconds for every script that imports them; where the rooms are found is each fork's own affair.
"""

import importlib
import os
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LIBRARIES = ("hydra", "matplotlib.pyplot", "mujoco", "numba", "sklearn.manifold", "torch", "zarr")
ROOMS = ("clients", "configs", "datasets", "envs", "perception", "policy", "tests", "visualizer")


def ask(script: Path, out: Path) -> None:
    """Run a script with `--help` as an interpreter would, and write what it says."""
    with out.open("w", encoding="utf-8") as file:
        for standard in (1, 2):
            os.dup2(file.fileno(), standard)
    sys.argv = [str(script), "--help"]
    sys.path[0] = str(script.parent)
    runpy.run_path(str(script), run_name="__main__")


def main(scripts: list[Path]) -> None:
    """Ask one after the other."""
    search = sys.path[1:]
    sys.path[1:] = [place for place in search if Path(place) != Path.cwd()]
    for library in LIBRARIES:
        importlib.import_module(library)
    sys.path[1:] = search
    for script in scripts:
        out = Path(f"{'.'.join(script.relative_to(ROOT).parts)}.txt")
        pid = os.fork()
        if pid == 0:
            assert not [room for room in ROOMS if room in sys.modules]
            ask(script, out)
            sys.exit()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with out.open("a", encoding="utf-8") as file:
            file.write(f"exit code {code}\n")


if __name__ == "__main__":
    main([Path(script) for script in sys.argv[1:]])
