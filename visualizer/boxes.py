"""The edges of crop boxes."""

from itertools import product

import numpy as np
from jaxtyping import Float

from perception.point_cloud import Box

COLOUR = (214, 64, 69)


def box_edges(box: Box) -> Float[np.ndarray, "12 2 3"]:
    """Give both ends of each edge of a box, in world metres."""
    corners = np.array([box.low, box.high])
    edges = []
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        for sides in product((0, 1), repeat=2):
            ends = np.empty((2, 3))
            ends[:, axis] = corners[:, axis]
            for other, side in zip(others, sides, strict=True):
                ends[:, other] = corners[side, other]
            edges.append(ends)
    return np.stack(edges)
