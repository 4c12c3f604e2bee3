"""Legends on the page: swatches in rows, colour bars with their range."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from explorer.render.colouring import Legend
from explorer.render.colours import Colour, Scale, Theme, table
from explorer.render.layout import Layout, Rect
from explorer.render.text import count, disc, font, number, width, write

if TYPE_CHECKING:
    from PIL import Image


ROWS = 2


def draw_legend(canvas: Image.Image, layout: Layout, theme: Theme, *, legend: Legend) -> None:
    """Draw what the points' colours mean below the cloud."""
    from PIL import ImageDraw

    draw, place, px = ImageDraw.Draw(canvas), layout.legend, layout.px
    title = font(px(12), "Bold")
    at = (place.left, place.top + px(12))
    write(draw, at, legend.title, face=title, fill=theme.text, limit=place.width)
    below = Rect(place.left, place.top + px(24), place.width, place.height - px(24))
    if legend.scale is not None:
        narrow = Rect(below.left, below.top, min(below.width, px(380)), below.height)
        bar(canvas, layout, theme, scale=legend.scale, place=narrow, ticks=legend.ticks)
        return
    _swatches(canvas, layout, theme, swatches=legend.swatches, place=below)


def _swatches(
    canvas: Image.Image,
    layout: Layout,
    theme: Theme,
    *,
    swatches: tuple[tuple[str, Colour], ...],
    place: Rect,
) -> None:
    """Classes in columns of equal width over at most two rows; what does not fit is counted."""
    from PIL import ImageDraw

    draw, px, face = ImageDraw.Draw(canvas), layout.px, font(layout.px(12))
    widest = max((width(name, face) for name, _ in swatches), default=0)
    step = min(widest, px(170)) + px(38)
    columns = max(1, place.width // step)
    fits = columns * ROWS
    shown = swatches if len(swatches) <= fits else swatches[: fits - 1]
    if len(shown) > columns and len(swatches) <= fits:
        # Rows of equal length read better than a full one and a rest.
        columns = -(-len(shown) // ROWS)
    for index in range(len(shown) + (len(shown) < len(swatches))):
        x = place.left + (index % columns) * step
        y = place.top + px(12) + (index // columns) * px(22)
        if index == len(shown):
            rest = f"and {count(len(swatches) - len(shown))} more"
            write(draw, (x, y), rest, face=face, fill=theme.muted, anchor="lm")
            return
        name, colour = shown[index]
        disc(canvas, (x + px(6), y), px(6), colour=colour)
        write(draw, (x + px(19), y), name, face=face, fill=theme.text, anchor="lm", limit=px(170))


def swatch_line(
    canvas: Image.Image,
    layout: Layout,
    theme: Theme,
    *,
    swatches: tuple[tuple[str, Colour], ...],
    place: Rect,
) -> None:
    """Swatches in one line below a picture."""
    from PIL import ImageDraw

    draw, px, face, x = ImageDraw.Draw(canvas), layout.px, font(layout.px(11)), place.left
    for name, colour in swatches:
        y = place.top + px(7)
        disc(canvas, (x + px(5), y), px(5), colour=colour)
        x += px(15) + write(draw, (x + px(15), y), name, face=face, fill=theme.muted, anchor="lm") + px(14)


def bar(
    canvas: Image.Image,
    layout: Layout,
    theme: Theme,
    *,
    scale: Scale,
    place: Rect,
    ticks: tuple[float, ...] = (),
) -> None:
    """Draw a colour bar with the numbers at its ends, and zero where it is diverging."""
    from PIL import Image, ImageDraw

    draw, px, face = ImageDraw.Draw(canvas), layout.px, font(layout.px(11))
    tall, wide = px(9), place.width
    if scale.constant:
        words = f"constant {number(scale.low)}"
        write(draw, (place.left, place.top + px(8)), words, face=face, fill=theme.muted, anchor="lm")
        return
    strip = np.ascontiguousarray(np.broadcast_to(table(scale.colour_map)[None], (tall, 256, 3)))
    smooth = Image.fromarray(strip).resize((wide, tall), Image.Resampling.BILINEAR)
    canvas.paste(smooth, (place.left, place.top))
    if not ticks:
        ticks = (scale.low, (scale.low + scale.high) / 2, scale.high)
    span = scale.high - scale.low
    for index, tick in enumerate(ticks):
        at = (tick - scale.low) / span
        anchor = "lt" if index == 0 else ("rt" if index == len(ticks) - 1 else "mt")
        sign = {0: "≤ ", len(ticks) - 1: "≥ "}.get(index, "") if scale.clipped else ""
        where = (place.left + at * wide, place.top + tall + px(5))
        write(draw, where, sign + number(tick), face=face, fill=theme.muted, anchor=anchor)
