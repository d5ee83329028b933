"""Moving tensors to a GPU without waiting for it, and asking whether they fit."""

import torch
from torch import Tensor

ROOM = 0.5  # Of a GPU's free memory: what is learned from may take so much, and stay there.


def moved(values: Tensor, device: torch.device) -> Tensor:
    """Move a tensor; to a GPU through pinned memory, which the program need not wait for.

    A change of `values` afterwards does not reach the GPU: what is sent is the pinned copy.
    """
    if device.type != "cuda" or values.device.type != "cpu" or not values.numel():
        return values.to(device)
    pinned = values.pin_memory() if torch.cuda.is_available() else values
    return pinned.to(device, non_blocking=True)


def home(device: torch.device, size: int) -> torch.device:
    """Say where to keep so many bytes that are read again and again: on the device, if they fit."""
    if device.type == "cuda" and torch.cuda.is_available():
        free, _ = torch.cuda.mem_get_info(device)
        return device if size <= ROOM * free else torch.device("cpu")
    return device
