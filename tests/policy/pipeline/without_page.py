"""Whole runs in this process, for tests that do not look at their page."""

import pytest

from configs.command import compose
from policy.pipeline.config import TrainConfig
from policy.pipeline.stages import train


def train_without_page(*words: object) -> None:
    """Train as `policy/train.py` does with these words; the page takes seconds, and is left out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("policy.viewing.run_page.write_run_page", lambda *_: "")
        train(compose(TrainConfig, "train", [str(word) for word in words]))
