"""Where and how tensors are computed: device, threads, memory, determinism."""

import ctypes
import logging
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch

from configs.ranges import Processes
from perception.errors import InputError

logger = logging.getLogger(__name__)

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # glibc, malloc.h
LARGE = 1 << 30

DeviceName = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Machine:
    """Where to compute; no result depends on it but in rounding.

    Attributes:
        device: `cpu`, `cuda`, or `auto`: a GPU where there is one.
        threads: Of Torch on the CPU; 0 leaves its own choice.
        workers: Processes that share the environments; 0 plays in this one.
        launcher: Where these live: on this machine, or on a Ray cluster.
    """

    device: DeviceName
    threads: Processes
    workers: Processes
    launcher: Literal["process", "ray"]


def permitted(threads: int) -> int:
    """Give as many threads as asked for, but no more than OpenMP may start (`OMP_THREAD_LIMIT`).

    Beyond that limit oneDNN leaves the share of those that were never started uncomputed: an LSTM
    then answers with whatever the memory held, silently.
    """
    limit = os.environ.get("OMP_THREAD_LIMIT", "")
    return min(threads, int(limit)) if limit.isdigit() and int(limit) else threads


def prepare(name: DeviceName, threads: int) -> torch.device:
    """Choose the device and set up this process for training on it; see `Machine`.

    Raises:
        InputError: `cuda` was asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device=cuda: Torch finds no GPU here; use device=auto or device=cpu")
    torch.set_num_threads(permitted(threads or torch.get_num_threads()))
    keep_memory()
    # As `use_deterministic_algorithms` does, without importing Torch's compiler for three seconds.
    torch.set_deterministic_debug_mode("warn")
    # Every new tensor would be filled first: a fifth of a training step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    on_gpu = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    if on_gpu:  # Otherwise every matrix product would warn that it is not deterministic.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device("cuda" if on_gpu else "cpu")


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """Compute matrix products in a precision inside the `with` (automatic mixed precision)."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def keep_memory() -> None:
    """Stop glibc from giving every large tensor back to the kernel.

    Each operation would otherwise fault its result in page by page: a third of a training step.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:  # Another C library: nothing to set.
        return
    for option, value in (
        (M_MMAP_THRESHOLD, LARGE),
        (M_TRIM_THRESHOLD, LARGE),
        (M_TOP_PAD, LARGE // 8),
    ):
        libc.mallopt(option, value)
