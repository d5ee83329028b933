"""Everything once, small: collect, pre-train, fine-tune, evaluate, and a page to look at.

    python policy/demo.py

Real simulator, real clouds, a real planner, in minutes on two cores. It goes on where it was
stopped; the last lines say where to look and what was reached.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from configs.command import compose, script
from datasets.collection.collector import CollectConfig, collect
from policy.pipeline.config import TrainConfig
from policy.pipeline.demonstration import DemoConfig, conclude
from policy.pipeline.stages import train


@script("demo", DemoConfig)
def main(config: DemoConfig) -> None:
    """Run the whole pipeline small."""
    collect(compose(CollectConfig, "collect", list(config.collect)))
    training = compose(TrainConfig, "train", list(config.train))
    train(training)
    conclude(training)


if __name__ == "__main__":
    main()
