"""How loops are compiled with Numba: one decorator for each trade between speed and exact bits.

Compiled functions carry `@no_type_check` as well: their annotations are for readers, and a checker
that wraps them would hide them from the compiler.
"""

from collections.abc import Callable
from typing import Any

from numba import njit

Compile = Callable[[Any], Any]

# Floating point as written: the same bits as NumPy and Torch.
exactly: Compile = njit(cache=True, nogil=True)
# The same, copied into its callers: a call would cost more than it computes.
exactly_inline: Compile = njit(cache=True, nogil=True, inline="always")
# Sums may be taken in another order, so that vectors can be used.
by_vectors: Compile = njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"reassoc", "contract"}
)
# A product and a sum may be rounded once instead of twice; the order stays as written.
in_order: Compile = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
# Any algebra that holds for real numbers: bits may differ between processors, never between runs.
fast: Compile = njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
