"""Moving means of curves that are too noisy to look at raw."""

import numpy as np
from jaxtyping import Float


def trailing_mean(values: Float[np.ndarray, " point"], width: int) -> Float[np.ndarray, " point"]:
    """Average each value with the `width` - 1 before it; fewer at the beginning."""
    means = [values[max(0, i + 1 - width) : i + 1].mean() for i in range(len(values))]
    return np.array(means, np.float64)


def centred_mean(values: np.ndarray, width: int) -> Float[np.ndarray, " point"]:
    """Average each value with `width` neighbours around it; fewer at the ends."""
    window = np.ones(min(width, len(values)))
    summed, counted = (np.convolve(v, window, "same") for v in (values, np.ones(len(values))))
    return np.asarray(summed / counted)
