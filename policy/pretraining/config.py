"""How to pre-train: the keys of `pretrain`."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from configs.ranges import Count, NotNegative, Rate, between
from policy.pretraining.augmentation import AugmentConfig


@dataclass(frozen=True)
class PretrainConfig:
    """How to pre-train.

    Attributes:
        steps: Gradient steps.
        batch: Windows per step.
        learning_rate: Of Adam, constant.
        windows: How many of the data's windows to learn from; None is all. As few as a batch are
            a check: the planner must fit them almost exactly.
        features: Learn from the features that `policy/encode.py` computed from the clouds. The part
            of the encoder that encodes clouds is then a copy of the one that computed them, frozen.
        precision: `float32`, or `bfloat16` for the matrix products (automatic mixed precision).
        log_every: Steps between metrics.
        save_every: Steps between training states; a killed run loses at most these.
        augment: How the clouds are changed at every step.
        auxiliary: Weight of the loss of `policy/pretraining/movement.py`; 0 is Eq. 7 alone.
    """

    steps: Count
    batch: Annotated[int, between(1, 2**20)]
    learning_rate: Rate
    windows: Count | None
    features: bool
    precision: Literal["float32", "bfloat16"]
    log_every: Count
    save_every: Count
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    auxiliary: NotNegative = 0.0
