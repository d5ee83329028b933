"""Pictures without specks: lone pixels that show, through a crack of a mesh, what lies behind."""

import numpy as np
from jaxtyping import Float, Int

GAP_M = 0.1  # A pixel farther than its neighbours by more than this shows something else.


def without_specks(
    depth_m: Float[np.ndarray, "height width"], labels: Int[np.ndarray, "height width"]
) -> tuple[Float[np.ndarray, "height width"], Int[np.ndarray, "height width"]]:
    """Give pixels that lie behind all but one of their eight neighbours what one of those shows.

    For pictures that people look at; clouds are made of what the rays hit.

    Args:
        depth_m: Depth in metres; 0 where nothing was hit.
        labels: What was hit; -1 for nothing.
    """
    far_m = np.where(labels < 0, np.inf, depth_m).astype(np.float32)
    padded = np.pad(far_m, 1, constant_values=np.inf)
    offsets = [(v, u) for v in (-1, 0, 1) for u in (-1, 0, 1) if (v, u) != (0, 0)]
    nearer = np.zeros(depth_m.shape, np.int8)
    for v, u in offsets:
        nearer += _moved(padded, v, u) < far_m - np.float32(GAP_M)
    rows, columns = np.nonzero(nearer >= len(offsets) - 1)
    around = np.stack([padded[rows + 1 + v, columns + 1 + u] for v, u in offsets])
    nearest = np.array(offsets)[around.argmin(axis=0)]
    depth_m, labels = depth_m.copy(), labels.copy()
    source = rows + nearest[:, 0], columns + nearest[:, 1]
    depth_m[rows, columns], labels[rows, columns] = depth_m[source], labels[source]
    return depth_m, labels


def _moved(
    padded: Float[np.ndarray, "padded_height padded_width"], down: int, right: int
) -> Float[np.ndarray, "height width"]:
    """Give each pixel its neighbour's value."""
    height, width = padded.shape
    return padded[1 + down : height - 1 + down, 1 + right : width - 1 + right]
