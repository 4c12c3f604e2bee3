"""Signals drawn as what they are: a curve over the positions, with their colours in a strip below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.render.drawing.colours import Scale, Theme
from explorer.render.drawing.heatmap import heatmap, resize
from explorer.render.drawing.layout import Layout, Rect
from explorer.render.drawing.shapes import Box, Raster, Strokes, drawing_of

if TYPE_CHECKING:
    from PIL import Image

FINE = 3  # drawn this much larger and reduced, for smooth lines


def draw_curve(
    canvas: Image.Image, layout: Layout, theme: Theme, *, values: NDArray[Any], scale: Scale, place: Rect
) -> None:
    """Draw values (n,) from left to right in a place; the line breaks where a value is not finite."""
    from PIL import Image, ImageDraw

    px, drawing = layout.px, drawing_of(canvas)
    strip = px(9)
    colours = heatmap(values[None], scale, theme)
    low = Rect(place.left, place.bottom - strip, place.width, strip)
    pieces = _pieces(values, scale, Rect(place.left, place.top, place.width, place.height - strip), px(8))
    if drawing is not None:
        box = (place.left, place.top, place.width, place.height)
        below = (low.left, low.top, low.width, low.height)
        drawing.shapes += [Box(box, theme.panel), Raster(below, colours, smooth=False)]
        drawing.shapes.append(Strokes(pieces, theme.text, 1.6 * layout.scale))
        return
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((place.left, place.top, place.right - 1, place.bottom - 1), fill=theme.panel)
    canvas.paste(Image.fromarray(resize(colours, (low.width, low.height))), (low.left, low.top))
    patch = Image.new("L", (place.width * FINE, place.height * FINE))
    pen, thick = ImageDraw.Draw(patch), max(1, round(1.6 * layout.scale * FINE))
    for piece in pieces:
        inner = [((x - place.left) * FINE, (y - place.top) * FINE) for x, y in piece]
        if len(inner) > 1:
            pen.line(inner, fill=255, width=thick, joint="curve")
        else:
            (x, y) = inner[0]
            pen.ellipse((x - thick, y - thick, x + thick, y + thick), fill=255)
    canvas.paste(theme.text, (place.left, place.top), patch.reduce(FINE))


def _pieces(
    values: NDArray[Any], scale: Scale, place: Rect, margin: int
) -> tuple[tuple[tuple[float, float], ...], ...]:
    """The line through the middles of the positions, in as many pieces as there are gaps between."""
    numbers = np.asarray(values, np.float64)
    span = scale.high - scale.low
    unit = (numbers - scale.low) / span if span > 0 else np.full(len(numbers), 0.5)
    x = place.left + (np.arange(len(numbers)) + 0.5) / len(numbers) * place.width
    y = place.bottom - margin - np.clip(unit, 0, 1) * (place.height - 2 * margin)
    finite = np.isfinite(numbers)
    starts = np.flatnonzero(finite & ~np.append(False, finite[:-1]))
    ends = np.flatnonzero(finite & ~np.append(finite[1:], False)) + 1
    return tuple(
        tuple((float(x[i]), float(y[i])) for i in range(start, end))
        for start, end in zip(starts, ends, strict=True)
    )
