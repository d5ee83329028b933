"""Run an experiment: its planners, then each task, variant and seed.

    python policy/experiment.py experiment=adroit-images

Every run is a `policy/train.py` of its own; what is finished is skipped, what was killed goes on.
Several at once: workers=3, also on a Ray cluster (launcher=ray); or `only=planners` first, then
`-m only=cells cell=0,1,2` with a launcher of Hydra.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from configs.command import compose_part, script
from policy.reports.grid import Experiment, RunExperimentConfig
from policy.reports.grid_running import run_experiment


@script("experiment", RunExperimentConfig)
def main(config: RunExperimentConfig) -> None:
    """Run."""
    run_experiment(compose_part(Experiment, "experiments", config.experiment), config)


if __name__ == "__main__":
    main()
