"""The statistics that LeRobot keeps beside its data, by episode and of all.

Of every feature, over time (and over pixels and points): min, max, mean, std, five quantiles, by
channel; and the number of frames. Quantiles of several episodes are averaged, as LeRobot does.
Source: LeRobot's datasets/compute_stats.py.
"""

import numpy as np

Stats = dict[str, np.ndarray]
QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}


def stats_of(values: np.ndarray) -> Stats:
    """Describe a feature in one episode.

    Args:
        values: (time,), or (time, ..., channel).

    Returns:
        Arrays of shape (channel,); `count` of shape (1,).
    """
    flat = values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1).astype(np.float64)
    quantiles = np.quantile(flat, list(QUANTILES.values()), axis=0)
    return {
        "min": flat.min(0),
        "max": flat.max(0),
        "mean": flat.mean(0),
        "std": flat.std(0),
        "count": np.array([len(values)]),
        **dict(zip(QUANTILES, quantiles, strict=True)),
    }


def picture_stats_of(pictures: np.ndarray) -> Stats:
    """Describe pictures (time, height, width, 3) of 0 to 255: colours of 0 to 1, (3, 1, 1)."""
    stats = stats_of(pictures)
    return {n: a if n == "count" else (a / 255)[:, None, None] for n, a in stats.items()}


def depth_stats_of(depths: np.ndarray) -> Stats:
    """Describe depth images (time, height, width) in their own unit, (1, 1, 1)."""
    stats = stats_of(depths[..., None])
    return {n: a if n == "count" else a[:, None, None] for n, a in stats.items()}


def joined(one: Stats | None, other: Stats) -> Stats:
    """Describe two stretches of data together, from the description of each."""
    if one is None:
        return other
    shares = np.array([one["count"][0], other["count"][0]]) / (one["count"] + other["count"])

    def average(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.asarray(shares[0] * a + shares[1] * b)

    mean = average(one["mean"], other["mean"])
    spreads = [part["std"] ** 2 + (part["mean"] - mean) ** 2 for part in (one, other)]
    return {
        "min": np.minimum(one["min"], other["min"]),
        "max": np.maximum(one["max"], other["max"]),
        "mean": mean,
        "std": np.sqrt(average(*spreads)),
        "count": one["count"] + other["count"],
        **{name: average(one[name], other[name]) for name in QUANTILES},
    }
