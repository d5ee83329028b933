"""A store's card as files: figures as JSON, plots as PNG, and both on one small HTML page."""

import json
from dataclasses import asdict
from pathlib import Path

from datasets import pages, store_plots
from datasets.card import Card, make_card, outcomes
from datasets.store import EpisodeStore
from datasets.store_page import contact_sheet, overview, provenance_part


def keep_card(path: Path) -> None:
    """Write the card of a finished store into it: card.json, card.png and card.html."""
    store = EpisodeStore.open(path)
    write_card(make_card(store), store, path / "card.json")
    (path / "card.html").write_text(card_page(store))


def write_card(card: Card, store: EpisodeStore, path: Path) -> None:
    """Keep a store's figures as JSON, with how it was made, and plot its episodes beside it."""
    said = store.attributes
    made = {key: said.get(key) for key in ("identity", "versions", "source_commit", "conversion")}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**asdict(card), **made}, indent=2) + "\n")
    known = outcomes(store)
    plot = store_plots.profile_plot(known) if card.judged else store_plots.coverage_plot(store)
    path.with_suffix(".png").write_bytes(plot)


def card_page(store: EpisodeStore) -> str:
    """Put the card on one page: figures, some clouds, and where it all comes from."""
    known = outcomes(store)
    parts = [overview(store, known)]
    if "point_cloud" in store.names:
        parts += [pages.heading("At a glance"), pages.figure(contact_sheet(store, known))]
    return pages.page(f"{store.attributes['task']}: data card", [*parts, provenance_part(store)])
