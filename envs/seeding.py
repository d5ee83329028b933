"""Seeds that never meet: one stream for each purpose, run and episode."""

import zlib

import numpy as np


def derive_seed(purpose: str, seed: int, index: int) -> int:
    """Derive the seed of one episode (or generator) from the run's seed and its own number.

    Data, fine-tuning and evaluation draw from different purposes, so no evaluation episode is one
    that was trained on.
    """
    sequence = np.random.SeedSequence((zlib.crc32(purpose.encode()), seed, index))
    return int(sequence.generate_state(1)[0])
