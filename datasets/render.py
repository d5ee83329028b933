"""Draw a store's recorded states again, with other cameras, points, crop or colour.

    python datasets/render.py data=data/adroit-door.zarr out=data/two.zarr cameras=[top,vil_camera]

Nobody acts again: the store becomes the one that collecting with that view would have made. Stop it
at any time, even by kill -9: the same command goes on where it was.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from configs.command import script
from configs.command.following import follow_store
from datasets.collection.rerender import RenderConfig, render_again


@script("render", RenderConfig)
def main(config: RenderConfig) -> None:
    """Render."""
    # Here, since every worker imports what stands above, and needs no plots.
    from datasets.cards.card_files import keep_card  # noqa: PLC0415

    render_again(config)
    keep_card(config.out)
    follow_store(config.out)


if __name__ == "__main__":
    main()
