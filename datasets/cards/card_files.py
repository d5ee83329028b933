"""A store's card as files: figures as JSON, plots as PNG, and both on one small HTML page."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from configs.files import write_text_whole, write_whole
from datasets.cards.card import Card, Outcomes, make_card, outcomes
from datasets.cards.seen import Seen
from datasets.cards.store_page import contact_sheet, overview, provenance_part, without_folders
from datasets.cards.store_plots import overview_plots
from datasets.store.store import EpisodeStore
from visualizer import pages

logger = logging.getLogger(__name__)


def keep_card(path: Path) -> None:
    """Write the card of a finished store into it: card.json, card.png and card.html."""
    store = EpisodeStore.open(path)
    results = outcomes(store)
    plots, card = overview_plots(store, results), make_card(store, results)
    write_card(card, store, plots[0], path / "card.json")
    write_text_whole(path / "card.html", card_page(store, results, plots, card.seen))
    if card.seen is not None and card.seen.warning is not None:
        logger.warning("%s: %s", path, card.seen.warning)


def write_card(card: Card, store: EpisodeStore, plot: bytes, path: Path) -> None:
    """Keep a store's figures as JSON, with how it was made, and a plot of it beside them."""
    said = store.attributes
    keys = ("identity", "versions", "source_commit", "conversion")
    origin = without_folders({key: said.get(key) for key in keys})
    write_text_whole(path, json.dumps({**asdict(card), **origin}, indent=2) + "\n")
    write_whole(path.with_suffix(".png"), lambda aside: aside.write_bytes(plot))


def card_page(
    store: EpisodeStore, results: Outcomes, plots: Sequence[bytes], seen: Seen | None
) -> str:
    """Put the card on one page: figures, some clouds, and where it all comes from."""
    parts = [overview(store, results, plots)]
    if "point_cloud" in store.names:
        parts += [pages.heading("At a glance"), pages.figure(contact_sheet(store, results))]
    if seen is not None:
        parts.append(pages.paragraph(seen.in_words))
        parts += [pages.paragraph(f"Warning: {seen.warning}.")] if seen.warning else []
    return pages.page(f"{store.attributes['task']}: data card", [*parts, provenance_part(store)])
