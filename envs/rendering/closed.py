"""Whether a mesh encloses a body: only then may faces that are seen from behind be left out."""

import numpy as np
from jaxtyping import Float, Int

Vertices = Float[np.ndarray, "vertex 3"]
Faces = Int[np.ndarray, "face 3"]
DECIMALS = 9  # Vertices nearer than a nanometre are one.


def is_closed(vertices: Vertices, faces: Faces) -> bool:
    """Tell whether every ray that enters a mesh does so through the front of a face.

    That is so where each edge has two faces that run along it in opposite directions, and where no
    piece is turned inside out. Vertices in one place count as one: files repeat them along seams.
    """
    corners = _places(vertices)[faces]
    whole = (corners != np.roll(corners, 1, axis=1)).all(axis=1)
    starts, ends = corners[whole].ravel(), np.roll(corners[whole], -1, axis=1).ravel()
    along = np.sort(starts * len(vertices) + ends)
    against = np.sort(ends * len(vertices) + starts)
    if not np.array_equal(along, against) or (along[1:] == along[:-1]).any():
        return False
    _, piece = np.unique(_pieces(corners, len(vertices))[corners[:, 0]], return_inverse=True)
    a, b, c = (vertices[faces[:, i]] - vertices.mean(axis=0) for i in range(3))
    volumes = np.bincount(piece, np.einsum("ij,ij->i", a, np.cross(b, c)))
    return bool((volumes >= 0).all())


def _places(vertices: Vertices) -> Int[np.ndarray, " vertex"]:
    """Number the places where vertices lie: those in one place have the same number."""
    rounded = np.round(vertices, DECIMALS)
    order = np.lexsort(tuple(rounded.T))
    is_new = (np.diff(rounded[order], axis=0) != 0).any(axis=1)
    numbers = np.empty(len(vertices), np.int64)
    numbers[order] = np.concatenate([[0], np.cumsum(is_new)])
    return numbers


def _pieces(corners: Faces, places: int) -> Int[np.ndarray, " place"]:
    """Give each place the lowest number among all that faces connect it with."""
    lowest = np.arange(places)
    while True:
        before = lowest.copy()
        np.minimum.at(lowest, corners, before[corners].min(axis=1, keepdims=True))
        lowest = lowest[lowest]
        if np.array_equal(lowest, before):
            return lowest
