"""The learning rate along fine-tuning."""


def exponential_decay(first: float, last: float, progress: float) -> float:
    """Give the rate after a share of the episodes; it falls by equal factors from first to last."""
    return float(first * (last / first) ** progress)
