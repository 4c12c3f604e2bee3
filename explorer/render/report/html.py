"""A report as one HTML page: no script, nothing from elsewhere, light and dark by what the reader prefers."""

from __future__ import annotations

import base64
import hashlib
import io
from html import escape

import numpy as np
from numpy.typing import NDArray

from explorer.render.drawing.text import printable
from explorer.render.report.parts import Bar, Picture, Report, Row, Section, Table

STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --panel: #f4f5f7; --rule: #dfe2e6; --text: #16191d;
  --muted: #5b636d; --bar: #3b6fd4; --other: #c8553d; --mark: #16191d; }
@media (prefers-color-scheme: dark) { :root { --page: #111417; --panel: #1b2025; --rule: #323940;
  --text: #f0f2f4; --muted: #a0a9b3; --bar: #6c9bf2; --other: #e0795f; --mark: #f0f2f4; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 3.5rem 1.5rem 4rem; }
h1 { font-size: 1rem; font-weight: 600; color: var(--muted); margin: 0 0 .75rem; letter-spacing: .01em; }
.lead { font-size: 1.6rem; line-height: 1.38; font-weight: 600; margin: 0 0 1rem; letter-spacing: -.012em;
  text-wrap: pretty; }
.facts { color: var(--muted); font-size: .92rem; margin: 0; }
section { margin-top: 2.6rem; padding-top: 1.4rem; border-top: 1px solid var(--rule); }
h2 { font-size: 1.16rem; line-height: 1.3; margin: 0 0 .5rem; letter-spacing: -.005em; }
section > p { margin: 0 0 .6rem; max-width: 46rem; }
h3 { font-size: .9rem; font-weight: 600; margin: 1.3rem 0 .55rem; color: var(--text); }
.row { display: flex; flex-wrap: wrap; gap: .9rem .6rem; }
figure { margin: 0; width: 104px; }
figure img { display: block; width: 104px; height: auto; border-radius: 3px; background: var(--panel); }
figure img.sharp { image-rendering: pixelated; }
figure.large { width: 216px; } figure.large img { width: 216px; }
figcaption { font-size: .78rem; line-height: 1.35; margin-top: .35rem; overflow-wrap: anywhere; }
figcaption span { display: block; color: var(--muted); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
caption { caption-side: bottom; text-align: left; color: var(--muted); font-size: .82rem;
  padding-top: .5rem; }
th { text-align: right; font-weight: 500; color: var(--muted); padding: .25rem .6rem; font-size: .8rem;
  vertical-align: bottom; }
td { text-align: right; padding: .26rem .6rem; border-top: 1px solid var(--rule); white-space: nowrap; }
tbody th { text-align: left; color: var(--text); font-weight: 500; font-size: .88rem;
  border-top: 1px solid var(--rule); max-width: 15rem; overflow-wrap: anywhere; }
thead th:first-child, thead th:nth-child(2) { text-align: left; }
th:first-child { padding-left: 0; } td:last-child, thead th:last-child { padding-right: 0; }
.table { margin-top: .9rem; } .table + .table { margin-top: 1.8rem; }
td.bar { width: 32%; min-width: 9rem; text-align: left; }
td.bar svg { display: block; width: 100%; height: 14px; }
.fill { fill: var(--bar); } .fill.other { fill: var(--other); }
.mark { stroke: var(--mark); stroke-width: 2; }
ul { margin: .3rem 0 0; padding-left: 1.1rem; color: var(--muted); font-size: .9rem; }
li { margin: .3rem 0; max-width: 48rem; }
@media print { main { padding: 0; max-width: none; } section { break-inside: avoid-page; } }
"""


def html(report: Report) -> str:
    """The page's text. Every name is escaped, and the page's own policy lets nothing but its style act."""
    allowed = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{allowed}'; base-uri 'none'; "
    policy += "form-action 'none'"
    body = "".join(_section(one) for one in report.sections)
    notes = "".join(f"<li>{_text(line)}</li>" for line in report.caveats)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer">'
        f"<title>{_text(report.title)}</title><style>{STYLE}</style></head>\n<body><main>"
        f'<header><h1>{_text(report.title)}</h1><p class="lead">{_text(report.headline)}</p>'
        f'<p class="facts">{_text(report.facts)}</p></header>\n{body}'
        f"<section><h2>How this was counted</h2><ul>{notes}</ul></section></main></body></html>\n"
    )


def _text(text: str) -> str:
    return escape(printable(text)).replace(" %", "&nbsp;%")  # a number and its unit stay on one line


def _folded(text: str) -> str:
    """Text that may be broken behind the folders of a path."""
    return _text(text).replace("/", "/<wbr>")


def _section(section: Section) -> str:
    text = "".join(f"<p>{_text(line)}</p>" for line in section.text)
    rows = "".join(map(_row, section.rows))
    tables = "".join(_table(one) for one in section.tables)
    return f"<section><h2>{_text(section.title)}</h2>{text}{rows}{tables}</section>\n"


def _row(row: Row) -> str:
    return f'<h3>{_text(row.title)}</h3><div class="row">{"".join(map(_figure, row.pictures))}</div>'


def _figure(picture: Picture) -> str:
    tall, wide = picture.pixels.shape[:2]
    look = "" if picture.smooth else ' class="sharp"'
    size = ' class="large"' if picture.large else ""
    detail = f"<span>{_folded(picture.detail)}</span>" if picture.detail else ""
    about = f"{picture.caption}, {picture.detail}" if picture.detail else picture.caption
    return (
        f'<figure{size}><img{look} width="{wide}" height="{tall}" alt="{_text(about)}" '
        f'src="data:image/png;base64,{png(picture.pixels)}">'
        f"<figcaption>{_folded(picture.caption)}{detail}</figcaption></figure>"
    )


def png(pixels: NDArray[np.uint8]) -> str:
    """A picture as base64 of a PNG."""
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(held, "PNG")
    return base64.b64encode(held.getvalue()).decode("ascii")


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{_text(title)}</th>' for title in table.head)
    body = "".join(map(_line, table.bars))
    note = f"<caption>{_text(table.note)}</caption>" if table.note else ""
    inner = f"{note}<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="scroll table"><table>{inner}</table></div>'


def _line(bar: Bar) -> str:
    """A line of a table; the bar is drawn on 100 units, so that no style is needed."""
    kind = "fill other" if bar.negative else "fill"
    mark = "" if bar.mark is None else _mark(100 * bar.mark)
    drawn = (
        '<svg viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="{kind}" x="0" y="1" width="{100 * bar.part:.2f}" height="12"/>{mark}</svg>'
    )
    cells = "".join(f"<td>{_text(cell)}</td>" for cell in bar.cells)
    return f'<tr><th scope="row">{_text(bar.name)}</th><td class="bar">{drawn}</td>{cells}</tr>'


def _mark(at: float) -> str:
    return (
        f'<line class="mark" vector-effect="non-scaling-stroke" x1="{at:.2f}" x2="{at:.2f}" y1="0" y2="14"/>'
    )
