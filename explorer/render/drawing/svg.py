"""A drawing as SVG: words stay words, cells rectangles, and pictures are embedded."""

from __future__ import annotations

import base64
import io
from xml.sax.saxutils import escape

import numpy as np

from explorer.render.drawing.colours import Colour
from explorer.render.drawing.shapes import Box, Cells, Disc, Drawing, Raster, Region, Shape, Strokes, Words

FAMILY = "DejaVu Sans, Verdana, sans-serif"
"""Verdana's letters are as wide, should DejaVu Sans be missing; every line has its length with it anyway."""


def svg(drawing: Drawing, title: str) -> str:
    """The whole file.

    Args:
        drawing: what is drawn.
        title: what a reader is told who cannot see it.
    """
    wide, tall = drawing.size
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{tall}" '
        f'viewBox="0 0 {wide} {tall}" font-family="{FAMILY}" role="img">'
    )
    parts = [head, f"<title>{escape(title)}</title>", *map(_shape, drawing.shapes), "</svg>"]
    return "\n".join(parts) + "\n"


def _shape(shape: Shape) -> str:
    match shape:
        case Words():
            return _words(shape)
        case Box():
            return _box(shape)
        case Disc(centre=(x, y), radius=r, colour=colour, thick=thick):
            look = f'fill="none" stroke="{_hex(colour)}" stroke-width="{_n(thick)}"' if thick else ""
            return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(r)}" {look or _fill(colour)}/>'
        case Strokes():
            path = " ".join("M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in line) for line in shape.lines)
            look = f'fill="none" stroke="{_hex(shape.colour)}" stroke-width="{_n(shape.thick)}"'
            return f'<path d="{path}" {look} stroke-linecap="round"/>'
        case Region():
            path = "".join(f"M{_n(x)} {_n(y)}h{_n(w)}v{_n(h)}h{_n(-w)}z" for x, y, w, h in shape.boxes)
            return f'<path d="{path}" {_fill(shape.colour)} fill-opacity="{_n(shape.opacity)}"/>'
        case Cells():
            return _cells(shape)
        case Raster():
            return _raster(shape)


def _words(words: Words) -> str:
    x, y = words.at
    look = f'font-size="{_n(words.size)}"' + (' font-weight="bold"' if words.bold else "")
    if len(words.text) > 1:
        look += f' textLength="{_n(words.width)}" lengthAdjust="spacingAndGlyphs"'
    if words.halo is not None:
        colour, thick = words.halo
        look += f' stroke="{_hex(colour)}" stroke-width="{_n(2 * thick)}" stroke-linejoin="round"'
        look += ' paint-order="stroke"'
    at = f'x="{_n(x)}" y="{_n(y)}"'
    return f'<text {at} {look} {_fill(words.colour)} xml:space="preserve">{escape(words.text)}</text>'


def _box(box: Box) -> str:
    (x, y, w, h), inset = box.place, box.thick / 2
    look = _fill(box.fill)
    if box.line is not None:
        look += f' stroke="{_hex(box.line)}" stroke-width="{_n(box.thick)}"'
        x, y, w, h = x + inset, y + inset, w - box.thick, h - box.thick
    look += f' rx="{_n(box.radius)}"' if box.radius else ""
    return f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(max(w, 0))}" height="{_n(max(h, 0))}" {look}/>'


def _cells(cells: Cells) -> str:
    """One rectangle a cell; crisp edges, so that no line of the page shows between two."""
    left, top, wide, tall = cells.place
    rows, columns = cells.colours.shape[:2]
    w, h = wide / columns, tall / rows
    boxes = [
        f'<rect x="{_n(left + x * w)}" y="{_n(top + y * h)}" width="{_n(w)}" height="{_n(h)}" '
        f"{_fill(tuple(cells.colours[y, x].tolist()))}/>"
        for y in range(rows)
        for x in range(columns)
    ]
    return '<g shape-rendering="crispEdges">' + "".join(boxes) + "</g>"


def _raster(raster: Raster) -> str:
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(raster.pixels)).save(held, "PNG", optimize=True)
    data = base64.b64encode(held.getvalue()).decode("ascii")
    x, y, w, h = raster.place
    look = "" if raster.smooth else ' style="image-rendering: pixelated"'
    place = f'x="{_n(x)}" y="{_n(y)}" width="{_n(w)}" height="{_n(h)}" preserveAspectRatio="none"'
    return f'<image {place}{look} href="data:image/png;base64,{data}"/>'


def _n(value: float) -> str:
    """A length, short."""
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _fill(colour: Colour | tuple[int, ...] | None) -> str:
    return 'fill="none"' if colour is None else 'fill="#{:02x}{:02x}{:02x}"'.format(*colour)
