"""How loops are compiled with Numba: one decorator for each trade between speed and exact bits.

Compiled functions carry `@no_type_check` as well: their annotations are for readers, and a checker
that wraps them would hide them from the compiler.
"""

import atexit
import logging
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
from numba import njit

from perception.compiled_files import CheckedFiles

logger = logging.getLogger(__name__)

Compile = Callable[[Any], Any]


def compiler(**options: Any) -> Compile:  # noqa: ANN401 (Numba's own)
    """Make a decorator that compiles at the first call, and keeps on disk what it compiled."""

    def compiled(function: Any) -> Any:  # noqa: ANN401
        try:
            dispatcher = njit(cache=True, nogil=True, **options)(function)
        except RuntimeError:  # Numba may write neither beside the source nor into a home.
            dispatcher = njit(cache=_use_temporary_folder(), nogil=True, **options)(function)
        CheckedFiles.take_over(dispatcher, _say_once)
        return dispatcher

    return compiled


@cache
def _say_once() -> None:
    """Say what there is to wait for; child processes leave it to their parent."""
    if multiprocessing.parent_process() is None:
        logger.info("compiling for this machine (once, up to a minute)")


@cache
def _use_temporary_folder() -> bool:
    """Let Numba write to a folder of this process and its children; False if there is none."""
    try:
        folder = tempfile.mkdtemp(prefix="compiled-")
    except OSError:
        return False
    logger.warning(
        "what is compiled cannot be kept here: each start compiles again, up to a minute;"
        " NUMBA_CACHE_DIR= names a folder that can be written"
    )
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings: Any = numba.config
    os.environ["NUMBA_CACHE_DIR"] = settings.CACHE_DIR = folder
    return True


# Floating point as written: the same bits as NumPy and Torch.
exactly = compiler()
# The same, copied into its callers: a call would cost more than it computes.
exactly_inline = compiler(inline="always")
# Sums may be taken in another order, so that vectors can be used.
by_vectors = compiler(error_model="numpy", fastmath={"reassoc", "contract"})
# A product and a sum may be rounded once instead of twice; the order stays as written.
in_order = compiler(error_model="numpy", fastmath={"contract"})
# Any algebra that holds for real numbers: bits may differ between processors, never between runs.
fast = compiler(error_model="numpy", fastmath=True)
