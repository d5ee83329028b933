"""A script in a warm process says and does what it does in a process of its own."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.helpers.commands import run, start

# Each is a script's body.
BODIES = {
    "returns": "print(__name__, sys.argv[1:], Path.cwd(), sys.path[0], Path(__file__).name)",
    "inherits": "print(os.environ['OMP_NUM_THREADS'], sys.stdout.isatty(), sys.stdin.read() == '')",
    "chooses a code": "sys.exit(7)",
    "ends by a message": "sys.exit('this is wrong')",
    "ends by nothing": "sys.exit()",
    "fails": "def fail():\n    raise ValueError('a reason')\nfail()",
    "is interrupted": "raise KeyboardInterrupt",
    "is killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "finishes later": (
        "atexit.register(print, 'at exit')\nthreading.Timer(0.1, print, ['in a thread']).start()"
    ),
    "writes below Python": "os.system('echo out; echo err >&2')",
    "does not end its output": "sys.stdout.write('no newline'); sys.stderr.write('none here')",
    "says much": "print('x' * 300_000)\nprint('y' * 300_000, file=sys.stderr)",
    "computes": (
        "import torch\nx = torch.ones(3, 3, requires_grad=True)\n"
        "(x @ x).sum().backward()\nprint(x.grad)"
    ),
    "spawns": (
        "from concurrent.futures import ProcessPoolExecutor\nimport multiprocessing\n"
        "def square(x):\n    return x * x, __name__\n"
        "if __name__ == '__main__':\n"
        "    with ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as pool:\n"
        "        print(list(pool.map(square, range(3))))"
    ),
}
IMPORTS = "import atexit, os, signal, sys, threading\nfrom pathlib import Path\n"


@pytest.mark.parametrize("body", BODIES)
def test_a_script_ends_the_same(body: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"{IMPORTS}{BODIES[body]}\n")
    warm, cold = (run(str(script), "a", "b=c", cwd=tmp_path, cold=cold) for cold in (False, True))
    assert warm.stdout == cold.stdout
    assert warm.stderr == cold.stderr
    assert warm.returncode == cold.returncode


@pytest.mark.parametrize(
    "command",
    [
        ("datasets/collect.py", "epsodes=3"),
        ("policy/evaluate.py", "checkpoint=nowhere"),
    ],
)
def test_a_command_says_the_same(command: tuple[str, ...], tmp_path: Path) -> None:
    warm, cold = (run(*command, cwd=tmp_path, cold=cold) for cold in (False, True))
    assert (warm.stdout, warm.stderr, warm.returncode) == (
        cold.stdout,
        cold.stderr,
        cold.returncode,
    )


def test_two_scripts_draw_different_numbers(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import random, numpy\nprint(random.random(), numpy.random.random())")
    drawn = {number for _ in range(2) for number in run(str(script)).stdout.split()}
    assert len(drawn) == 4


def test_variables_that_are_read_late_are_each_scripts_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os\nfrom pathlib import Path\n"
        "print(Path('~').expanduser(), os.environ.get('MINARI_DATASETS_PATH'))"
    )
    before = run(str(script)).stdout
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MINARI_DATASETS_PATH", "there")
    assert run(str(script)).stdout == f"{tmp_path} there\n"
    assert run(str(script), cold=True).stdout == f"{tmp_path} there\n"
    monkeypatch.undo()
    assert run(str(script)).stdout == before != f"{tmp_path} there\n"


def test_shapes_are_not_checked_as_they_are_not_for_users(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from perception.camera import project\nprint(hasattr(project, '__wrapped__'))"
    )
    assert run(str(script)).stdout == "False\n"


def test_signals_reach_it_and_a_time_limit_ends_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import time\nprint('started', flush=True)\ntime.sleep(60)")
    process = start(str(script))
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == -signal.SIGINT
    process = start(str(script))
    begun = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(0.5)
    assert process.wait(10) == -signal.SIGKILL
    assert time.monotonic() - begun < 10


def test_two_run_at_once(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys\nopen(sys.argv[1]).read()\nprint(sys.argv[1])")
    (tmp_path / "none").mkdir()
    first, second = (start(str(script), str(tmp_path / name)) for name in ("script.py", "none"))
    assert (second.communicate(10)[0], second.wait()) == ("", 1)
    assert (first.communicate(10)[0].strip(), first.wait()) == (str(tmp_path / "script.py"), 0)
