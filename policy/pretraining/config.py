"""How to pre-train: the keys of `pretrain`."""

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

from configs.ranges import Count, NotNegative, Rate, Share, Whole, between
from policy.pretraining.augmentation import AugmentConfig
from policy.runs.device import Precision


@dataclass(frozen=True)
class PretrainConfig:
    """How to pre-train.

    Attributes:
        steps: Gradient steps.
        batch: Windows per step.
        learning_rate: Of Adam, once it is warm.
        windows: How many of the data's windows to learn from; None is all. As few as a batch are
            a check: the planner must fit them almost exactly.
        features: Learn from the features that `policy/encode.py` computed from the clouds. The part
            of the encoder that encodes clouds is then a copy of the one that computed them, frozen.
        memory: Where the decoded data is: `ram`, or `map`, a file below the run's folder that is
            read as it is needed, for data larger than memory. The numbers are the same.
        precision: `float32`, or `bfloat16` for the matrix products (automatic mixed precision).
        log_every: Steps between metrics.
        save_every: Steps between training states; a killed run loses at most these.
        augment: How the clouds are changed at every step.
        betas: Of Adam: how long it averages gradients and their squares.
        weight_decay: Of every weight, apart from the gradient (AdamW).
        warm_up: Steps over which the learning rate grows from 0.
        decay: What it does then: stays, or falls to 0 with the last step as a cosine.
        held_out: Share of each store's episodes, its last ones, that are not learned from: their
            loss is noted wherever a state is saved. The ranges of the data are still of all.
        evaluate_every: Steps between evaluations of the average planner along the way; 0 for none.
        evaluate_episodes: Episodes of each.
        auxiliary: Weight of the loss of `policy/pretraining/movement.py`.
        distance_field: That of `policy/pretraining/distance_field.py`. Both 0: Eq. 7 alone.
    """

    steps: Count
    batch: Annotated[int, between(1, 2**20)]
    learning_rate: Rate
    windows: Count | None
    features: bool
    precision: Precision
    log_every: Count
    save_every: Count
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    auxiliary: NotNegative = 0.0
    distance_field: NotNegative = 0.0
    betas: tuple[Share, Share] = (0.9, 0.999)
    weight_decay: NotNegative = 0.0
    warm_up: Whole = 0
    decay: Literal["constant", "cosine"] = "constant"
    memory: Literal["ram", "map"] = "ram"
    held_out: Annotated[float, between(0, 0.5)] = 0.0
    evaluate_every: Whole = 0
    evaluate_episodes: Count = 20

    @property
    def auxiliaries(self) -> dict[str, float]:
        """The weights of what is learned beside Eq. 7, by name."""
        weights = {"movement": self.auxiliary, "distance_field": self.distance_field}
        return {name: weight for name, weight in weights.items() if weight}

    def rate(self, step: int) -> float:
        """Give the learning rate of a step, counted from 0."""
        if step < self.warm_up:
            return self.learning_rate * (step + 1) / self.warm_up
        if self.decay == "constant":
            return self.learning_rate
        done = (step - self.warm_up) / max(self.steps - self.warm_up, 1)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1)))
