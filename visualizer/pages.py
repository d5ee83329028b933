"""Self-contained HTML pages: text, tables, figures, films and whole other pages in one file.

Every function gives a piece of HTML with its text escaped; `page` puts pieces together. A page
fetches nothing: it can be mailed, attached to a CI run, or opened without a network.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count
from pathlib import Path
from typing import NewType

Html = NewType("Html", str)

HERE = Path(__file__).resolve().parent
STYLE = (HERE / "page.css").read_text(encoding="utf-8")
PLAYER = ("film.js", "film_controls.js")  # Of a page with films, in this order.
HEADING = re.compile(r"<h2>(.*?)</h2>")
PNG_WIDTH, BROAD_PX = slice(16, 20), 1000
CONTENTS_FROM = 3  # Sections: fewer are seen without a list.


def page(title: str, parts: Sequence[Html]) -> str:
    """Put pieces together into a whole HTML document, with a list of its sections."""
    numbers, titles = count(1), []

    def anchored(found: re.Match[str]) -> str:
        titles.append(found[1])
        return f'<h2 id="part-{next(numbers)}">{found[1]}</h2>'

    body = HEADING.sub(anchored, "\n".join(parts))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{_contents(titles)}{body}\n{_player(body)}</body>\n</html>\n"
    )


def _contents(titles: Sequence[str]) -> str:
    """List the sections of a page; their titles are escaped already."""
    if len(titles) < CONTENTS_FROM:
        return ""
    items = [f'<li><a href="#part-{n}">{title}</a></li>' for n, title in enumerate(titles, 1)]
    return f'<nav aria-label="Contents"><ol>{"".join(items)}</ol></nav>\n'


def _player(body: str) -> str:
    """Give what plays the films of a page, if it has any."""
    if '<div class="film">' not in body:
        return ""
    programs = [(HERE / name).read_text(encoding="utf-8") for name in PLAYER]
    return "".join(f"<script>{program}</script>\n" for program in programs)


def heading(text: str) -> Html:
    """Open a section."""
    return Html(f"<h2>{escape(text)}</h2>")


def subheading(text: str) -> Html:
    """Open a part of a section."""
    return Html(f"<h3>{escape(text)}</h3>")


def paragraph(text: str) -> Html:
    """Set a paragraph of text."""
    return Html(f"<p>{escape(text)}</p>")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> Html:
    """Set out rows under a header; numbers stand to the right, floats with four digits."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return Html(f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>')


def facts(values: Mapping[str, object]) -> Html:
    """Set out named values, one below the other."""
    rows = [f"<tr><th>{escape(n)}</th><td>{escape(_shown(v))}</td></tr>" for n, v in values.items()]
    return Html(f'<div class="wide facts"><table>{"".join(rows)}</table></div>')


def folded(summary: str, lines: Sequence[str]) -> Html:
    """Show lines of code that open on a click."""
    code = escape("\n".join(lines))
    return Html(f"<details><summary>{escape(summary)}</summary><pre>{code}</pre></details>")


def figure(png: bytes, caption: str = "") -> Html:
    """Show a PNG; a broad one keeps its size on a narrow screen, and is scrolled there."""
    image = f'<img alt="{escape(caption)}" src="{as_data("image/png", png)}">'
    broad = int.from_bytes(png[PNG_WIDTH], "big") > BROAD_PX
    return framed(f'<div class="wide broad">{image}</div>' if broad else image, caption)


def video(mp4: Path, caption: str = "") -> Html:
    """Show an MP4 that plays in a loop, or say that there is none."""
    return framed(_video(mp4), caption) if mp4.exists() else no_video(mp4)


def no_video(mp4: Path) -> Html:
    """Say that there is no video."""
    return paragraph(f"There is no video: nothing on this machine could write {mp4.name}.")


def framed(inner: str, caption: str = "") -> Html:
    """Show a piece of HTML, with its caption below."""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return Html(f"<figure>{inner}{below}</figure>")


def side_by_side(*parts: Html) -> Html:
    """Set films or pictures in a row, below one another on a narrow screen; films move together."""
    cells = "".join(f"<div>{part}</div>" for part in parts)
    return Html(f'<div class="instep">{cells}</div>')


@dataclass(frozen=True)
class Tile:
    """One of many small films: its video, how it went in few words, and whether that is good."""

    video: Path
    words: str
    good: bool


def tiles(shown: Sequence[Tile]) -> Html:
    """Show many small films at once, a good one with a green edge and a bad one with a red one."""
    cells = []
    for tile in shown:
        kind, said = (
            "good" if tile.good else "bad",
            f"<figcaption>{escape(tile.words)}</figcaption>",
        )
        cells.append(f'<figure class="{kind}">{_video(tile.video)}{said}</figure>')
    return Html(f'<div class="tiles">{"".join(cells)}</div>')


def columns(*parts: Html, widths: Sequence[int]) -> Html:
    """Set pieces side by side, below one another on a narrow screen; widths are relative."""
    tracks = " ".join(f"minmax(0, {width}fr)" for width in widths)
    cells = "".join(f"<div>{part}</div>" for part in parts)
    return Html(f'<div class="columns" style="grid-template-columns: {tracks}">{cells}</div>')


def together(*parts: Html) -> Html:
    """Make one piece of several."""
    return Html("\n".join(parts))


def _cell(value: object) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"<td{' class=number' if number else ''}>{escape(_shown(value))}</td>"


def _shown(value: object) -> str:
    """Write a value for people: floats with four digits, whole numbers in groups of three."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _video(mp4: Path) -> str:
    source = as_data("video/mp4", mp4.read_bytes())
    return f'<video controls loop muted autoplay playsinline src="{source}"></video>'


def text(said: str) -> Html:
    """Set plain text."""
    return Html(escape(said))


def as_data(kind: str, content: bytes) -> str:
    """Give a file as the address of itself."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
