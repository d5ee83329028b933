"""Collect a point-cloud dataset.

    python datasets/collect.py env=adroit-door

Acts in the plain simulator, records every state, renders clouds from them, and writes
`data/<task>.zarr`. Stop it at any time, even by kill -9: the same command goes on where it was.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from configs.command import script
from configs.command.following import follow_store
from datasets.collection.collector import CollectConfig, collect


@script("collect", CollectConfig)
def main(config: CollectConfig) -> None:
    """Collect."""
    # Here, since every worker imports what stands above, and needs no plots.
    from datasets.cards.card_files import keep_card  # noqa: PLC0415

    collect(config)
    keep_card(config.out)
    points = config.env.view.points if config.points is None else config.points
    follow_store(config.out, drawn=points > 0)


if __name__ == "__main__":
    main()
