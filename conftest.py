"""Before anything is imported: check the shapes and types that the rooms' signatures promise.

(As code and not as jaxtyping's pytest option, which loses a configuration in parentheses.)
"""

import os
import signal
import sys

from jaxtyping import install_import_hook

from tests.helpers.checked.some_calls import check_some_calls

# Two workers on two cores: each has one; inherited by what they start, before Torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Whatever a command sets (threads=2 is usual, and stays for all later tests of a process): threads
# that share a core wait for each other by spinning, and need ten times as long.
os.environ.setdefault("OMP_THREAD_LIMIT", "1")

# Else each of some hundred processes would compile all sources anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# An int serves where a float is asked for, as mypy has it too.
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
check_some_calls()
install_import_hook(["perception", "visualizer", "envs", "datasets", "policy"], CHECKER)

# Tests that are run in the background ignore Ctrl-C, and so would every command that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
