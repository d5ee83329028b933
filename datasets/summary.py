"""Say what a store holds.

    python datasets/summary.py data=data/adroit-door.zarr

Prints episodes, success, returns, how success falls with noise, and what it all takes on disk.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.console import Console
from rich.table import Table

from configs.schema import script
from datasets.card import Card, SummaryConfig, make_card
from datasets.store import EpisodeStore
from datasets.store_page import write_card


@script("summary", SummaryConfig)
def main(config: SummaryConfig) -> None:
    """Print the card of a store."""
    store = EpisodeStore.open(config.data)
    card = make_card(store)
    console = Console()
    for table in (outcome_table(card), noise_table(card), array_table(card)):
        console.print(table)
    if config.out is not None:
        write_card(card, store, config.out)
        console.print(f"written to {config.out} and {config.out.with_suffix('.png')}")


def outcome_table(card: Card) -> Table:
    """Set out how many episodes there are, and how good."""
    table = Table("", "", title=card.task, show_header=False)
    table.add_row("episodes", f"{card.episodes:,}")
    table.add_row("steps", f"{card.steps:,}")
    for rule, name, count in (
        ("end", "success at the last step", card.at_end),
        ("ever", "success at any step", card.ever),
    ):
        counting = " (counts for this task)" if rule == card.success_at else ""
        table.add_row(name, f"{count:,} = {count / card.episodes:.1%}{counting}")
    least, quarter, median, three_quarters, greatest = card.return_quantiles
    table.add_row("return, median", f"{median:.4g}")
    table.add_row("return, middle half", f"{quarter:.4g} to {three_quarters:.4g}")
    table.add_row("return, all", f"{least:.4g} to {greatest:.4g}")
    return table


def noise_table(card: Card) -> Table:
    """Set out success by the noise that was acted with."""
    table = Table("noise", "episodes", "successes", "share", title="Success by noise, in quarters")
    for band in card.noise_bands:
        share = f"{band.successes / band.episodes:.0%}"
        noise = f"{band.low:.2f} to {band.high:.2f}"
        table.add_row(noise, str(band.episodes), str(band.successes), share)
    return table


def array_table(card: Card) -> Table:
    """Set out the arrays and their size on disk, against DP3's clouds."""
    a_step = card.dp3_cloud_bytes // card.steps
    told = (
        f"DP3 keeps clouds of this size as float32 with colour: {a_step:,} bytes a step,"
        f" {card.dp3_cloud_bytes / card.cloud_bytes:.1f} times as much"
    )
    table = Table("array", "shape", "type", "bytes", "a step", title="On disk", caption=told)
    for array in card.arrays:
        sizes = (f"{array.stored_bytes:,}", f"{array.stored_bytes / card.steps:,.1f}")
        table.add_row(array.name, " x ".join(map(str, array.shape)), array.dtype, *sizes)
    table.add_section()
    table.add_row("all", "", "", f"{card.stored_bytes:,}", f"{card.stored_bytes / card.steps:,.1f}")
    return table


if __name__ == "__main__":
    main()
