"""Self-contained HTML pages: text, tables, figures, films and whole other pages in one file.

Every function gives a piece of HTML with its text escaped; `page` puts pieces together. A page
fetches nothing: it can be mailed, attached to a CI run, or opened without a network.
"""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NewType

Html = NewType("Html", str)

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; color: #1f2733;
  background: #fff; max-width: 72rem; margin: 2.5rem auto 4rem; padding: 0 1.5rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.3rem; margin: 3rem 0 .8rem; padding-top: 1rem; border-top: 1px solid #e3e7ed; }
p { margin: .6rem 0; max-width: 48rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; margin: 1rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem 1.2rem .3rem 0;
  border-bottom: 1px solid #e3e7ed; overflow-wrap: anywhere; }
th { font-weight: 600; color: #566175; white-space: nowrap; overflow-wrap: normal; }
.facts th { width: 10rem; }
td.number { text-align: right; white-space: nowrap; }
figure { margin: 1rem 0; }
figure > img, figure > video { max-width: 100%; height: auto; display: block; }
figure > iframe { width: 100%; border: 1px solid #d5dbe4; border-radius: 6px; display: block; }
figcaption { font-size: .88rem; color: #566175; margin-top: .45rem; max-width: 48rem; }
details { font-size: .88rem; color: #566175; margin: .45rem 0; }
pre { overflow-x: auto; font-size: .8rem; }
.columns { display: grid; gap: 0 1.75rem; align-items: start; }
@media (max-width: 54rem) { .columns { grid-template-columns: minmax(0, 1fr) !important; } }
"""


def page(title: str, parts: Sequence[Html]) -> str:
    """Put pieces together into a whole HTML document."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def heading(text: str) -> Html:
    """Open a section."""
    return Html(f"<h2>{escape(text)}</h2>")


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
    """Show a PNG."""
    return _figure(f'<img alt="{escape(caption)}" src="{_data("image/png", png)}">', caption)


def video(mp4: Path, caption: str = "") -> Html:
    """Show an MP4 that plays in a loop, or say that there is none."""
    if not mp4.exists():
        return paragraph(f"There is no video: nothing on this machine could write {mp4.name}.")
    playing = "controls loop muted autoplay playsinline"
    return _figure(
        f'<video {playing} src="{_data("video/mp4", mp4.read_bytes())}"></video>', caption
    )


def embedded(document: str, caption: str = "", *, height_px: int = 480) -> Html:
    """Show another self-contained HTML document in a frame."""
    inner = f'<iframe loading="lazy" height="{height_px}" srcdoc="{escape(document)}"></iframe>'
    return _figure(inner, caption)


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


def _figure(inner: str, caption: str) -> Html:
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return Html(f"<figure>{inner}{below}</figure>")


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
