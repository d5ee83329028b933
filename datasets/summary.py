"""Say what a store holds.

    python datasets/summary.py data=data/adroit-door.zarr

Prints episodes, success and returns, how they change along time and with noise, and what it all
takes on disk; of several stores (data=[a.zarr,b.zarr]) also one table of all.
"""

import sys
from pathlib import Path

if __name__ == "__main__":  # As a script: import from the repository root, not from this folder.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from rich.console import Console
from rich.table import Table

from configs.command import script
from datasets.cards.card import NOT_RECORDED, Card, SummaryConfig, make_card, outcomes
from datasets.cards.card_files import write_card
from datasets.cards.seen import Seen
from datasets.cards.store_plots import overview_plots
from datasets.store.store import EpisodeStore
from perception.errors import InputError


@script("summary", SummaryConfig)
def main(config: SummaryConfig) -> None:
    """Print the card of each store, and of several a table with a line for each."""
    if config.out is not None and len(config.data) > 1:
        raise InputError("out= keeps one card: give one store as data=")
    console = Console()
    cards = []
    for path in config.data:
        store = EpisodeStore.open(path)
        results = outcomes(store)
        cards.append(make_card(store, results))
        for table in tables(cards[-1]):
            console.print(table)
        if config.out is not None:
            write_card(cards[-1], store, overview_plots(store, results)[0], config.out)
            console.print(f"written to {config.out} and {config.out.with_suffix('.png')}")
    if len(cards) > 1:
        console.print(suite_table(cards))


def tables(card: Card) -> list[Table]:
    """Set out a card."""
    learned = card.along_time[-1].first_agent_step > 0
    along = [time_table(card)] if card.judged or card.rewarded else []
    noise = [noise_table(card)] if card.judged and not learned else []
    seen = [] if card.seen is None else [seen_table(card.seen)]
    return [outcome_table(card), *along, *noise, *seen, array_table(card)]


def suite_table(cards: list[Card]) -> Table:
    """Set out several stores, a line for each, and all together."""
    header = ("store of", "episodes", "steps", "successes", "share", "return, median")
    table = Table(*header, title="All stores")
    for card in cards:
        won, share = successes(card, card.successes, card.episodes)
        median = f"{card.return_quantiles[2]:.4g}" if card.rewarded else NOT_RECORDED
        table.add_row(card.task, f"{card.episodes:,}", f"{card.steps:,}", won, share, median)
    table.add_section()
    episodes, steps = (sum(getattr(card, name) for card in cards) for name in ("episodes", "steps"))
    judged = [card for card in cards if card.judged]
    counted = sum(card.episodes for card in judged)
    won, share = f"{sum(card.successes for card in judged):,}", NOT_RECORDED
    if counted:
        share = f"{sum(card.successes for card in judged) / counted:.0%}"
        share += "" if counted == episodes else f" of {counted:,} episodes"
    table.add_row("all", f"{episodes:,}", f"{steps:,}", won, share, "")
    return table


def successes(card: Card, count: int, episodes: int) -> tuple[str, str]:
    """Give so many successes of so many episodes, and their share, where a store tells them."""
    if not card.judged:
        return NOT_RECORDED, NOT_RECORDED
    return f"{count:,}", f"{count / episodes:.0%}"


def time_table(card: Card) -> Table:
    """Set out success and return along time, in tenths."""
    learned = card.along_time[-1].first_agent_step > 0
    when = "agent's step" if learned else "tenth"
    table = Table(when, "episodes", "successes", "share", "mean return", title="Along time")
    for number, tenth in enumerate(card.along_time, start=1):
        start = f"from {tenth.first_agent_step:,}" if learned else str(number)
        won = successes(card, tenth.successes, tenth.episodes)
        mean = f"{tenth.mean_return:.4g}" if card.rewarded else NOT_RECORDED
        table.add_row(start, str(tenth.episodes), *won, mean)
    return table


def outcome_table(card: Card) -> Table:
    """Set out how many episodes there are, and how good."""
    table = Table("", "", title=card.task, show_header=False)
    table.add_row("episodes", f"{card.episodes:,}")
    table.add_row("steps", f"{card.steps:,}")
    rules = (
        ("end", "success at the last step", card.at_end),
        ("ever", "success at any step", card.ever),
    )
    for rule, name, count in rules if card.judged else ():
        counting = " (counts for this task)" if rule == card.success_at else ""
        table.add_row(name, f"{count:,} = {count / card.episodes:.1%}{counting}")
    if not card.judged:
        table.add_row("successes", NOT_RECORDED)
    if not card.rewarded:
        table.add_row("rewards", NOT_RECORDED)
        return table
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


def seen_table(seen: Seen) -> Table:
    """Set out how many points of a cloud lie on what matters."""
    caption = f"Warning: {seen.warning}" if seen.warning else None
    title = f"Of {seen.points} points of a cloud, in {seen.frames} frames"
    table = Table("on", "least", "median", "mean", title=title, caption=caption)
    for name, found in seen.on.items():
        table.add_row(f"the {name}", str(found.least), f"{found.median:g}", f"{found.mean:g}")
    return table


def array_table(card: Card) -> Table:
    """Set out the arrays and their size on disk, against DP3's clouds."""
    caption = None
    if card.cloud_bytes:
        caption = (
            f"DP3 keeps clouds of this size as float32 with colour:"
            f" {card.dp3_cloud_bytes // card.steps:,} bytes a step,"
            f" {card.dp3_cloud_bytes / card.cloud_bytes:.1f} times as much"
        )
    table = Table("array", "shape", "type", "bytes", "a step", title="On disk", caption=caption)
    for array in card.arrays:
        sizes = (f"{array.stored_bytes:,}", f"{array.stored_bytes / card.steps:,.1f}")
        table.add_row(array.name, " x ".join(map(str, array.shape)), array.dtype, *sizes)
    table.add_section()
    table.add_row("all", "", "", f"{card.stored_bytes:,}", f"{card.stored_bytes / card.steps:,.1f}")
    return table


if __name__ == "__main__":
    main()
