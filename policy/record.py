"""Record a planner's episodes as a store, with the denoising behind every plan.

    python policy/record.py checkpoint=outputs/adroit-door

Plays seeded episodes as an evaluation does, and writes `data/<task>-planner.zarr`: all that a
collected store has, and on top `data/chain` and `data/planned`. Stop it at any time; the same
command goes on.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from configs.command import script
from configs.command.following import follow
from datasets.cards.card_files import keep_card
from policy.rollouts.recorder import RecordConfig, record


@script("record", RecordConfig)
def main(config: RecordConfig) -> None:
    """Record."""
    store = record(config)
    keep_card(store)
    follow(store, ("datasets/view.py", f"data={store}"))


if __name__ == "__main__":
    main()
