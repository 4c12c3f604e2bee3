"""Legends on the page: swatches in rows, colour bars with their range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from explorer.render.drawing.colours import Scale, Theme, table
from explorer.render.drawing.layout import Layout, Rect
from explorer.render.drawing.text import count, disc, font, number, width, write
from explorer.render.linked.colouring import OTHERS, Legend, Swatch

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Entry:
    """A class in a legend that was drawn, for clicks."""

    place: Rect
    name: str


def draw_legend(canvas: Image.Image, layout: Layout, theme: Theme, *, legend: Legend) -> tuple[Entry, ...]:
    """Draw what the points' colours mean below the cloud; say where each class came to lie."""
    from PIL import ImageDraw

    draw, place, px = ImageDraw.Draw(canvas), layout.legend, layout.px
    title, plain = font(px(12), "Bold"), font(px(11))
    at = (place.left, place.top + px(12))
    wide = write(draw, at, legend.title, face=title, fill=theme.text, limit=place.width)
    if legend.note and place.width - wide > px(90):
        after = (place.left + wide + px(12), at[1])
        room = place.width - wide - px(12)
        write(draw, after, legend.note, face=plain, fill=theme.muted, limit=room)
    below = Rect(place.left, place.top + px(22), place.width, place.height - px(22))
    if legend.scale is not None:
        narrow = Rect(below.left, below.top + px(4), min(below.width, px(380)), below.height)
        bar(canvas, layout, theme, scale=legend.scale, place=narrow, ticks=legend.ticks)
        return ()
    return _swatches(canvas, layout, theme, legend=legend, place=below)


def _swatches(
    canvas: Image.Image, layout: Layout, theme: Theme, *, legend: Legend, place: Rect
) -> tuple[Entry, ...]:
    """Classes in columns of equal width; what does not fit, and what shares the grey, is counted."""
    from PIL import ImageDraw

    draw, px, face = ImageDraw.Draw(canvas), layout.px, font(layout.px(12))
    swatches, longest, tall = legend.swatches, px(170), px(21)
    rows = max(1, place.height // tall)
    widest = max((width(swatch.name, face) for swatch in swatches), default=0)
    step = min(widest, longest) + px(34)
    columns = max(1, (place.width + px(14)) // step)
    rest = legend.others > 0
    if len(swatches) + rest > rows * columns:
        shown = swatches[: rows * columns - 1]
        rest = True
    else:
        shown = swatches
        # Rows of equal length read better than full ones and a rest.
        columns = -(-(len(swatches) + rest) // -(-(len(swatches) + rest) // columns))
    entries = []
    for index, swatch in enumerate(shown):
        x = place.left + (index % columns) * step
        y = place.top + px(11) + (index // columns) * tall
        disc(canvas, (x + px(6), y), px(6), colour=swatch.colour, hollow=px(4) if swatch.hidden else 0.0)
        fill = theme.muted if swatch.hidden else theme.text
        wide = write(draw, (x + px(19), y), swatch.name, face=face, fill=fill, anchor="lm", limit=longest)
        if swatch.hidden:
            draw.line((x + px(19), y, x + px(19) + wide, y), fill=theme.muted, width=max(1, px(1)))
        if legend.mode:
            entries.append(Entry(Rect(x, y - tall // 2, px(19) + wide, tall), swatch.name))
    if rest:
        x = place.left + (len(shown) % columns) * step
        y = place.top + px(11) + (len(shown) // columns) * tall
        more = len(swatches) - len(shown) + legend.others
        grey = OTHERS[theme.name]
        disc(canvas, (x + px(6), y), px(6), colour=grey)
        words = f"{count(more)} more{'' if not legend.others else ', in grey'}"
        write(draw, (x + px(19), y), words, face=face, fill=theme.muted, anchor="lm", limit=longest)
    return tuple(entries)


def swatch_line(
    canvas: Image.Image,
    layout: Layout,
    theme: Theme,
    *,
    swatches: tuple[Swatch, ...],
    place: Rect,
) -> None:
    """Swatches in one line below a picture."""
    from PIL import ImageDraw

    draw, px, face, x = ImageDraw.Draw(canvas), layout.px, font(layout.px(11)), place.left
    for swatch in swatches:
        y = place.top + px(7)
        disc(canvas, (x + px(5), y), px(5), colour=swatch.colour)
        x += (
            px(15)
            + write(draw, (x + px(15), y), swatch.name, face=face, fill=theme.muted, anchor="lm")
            + px(14)
        )


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
    span, top, last = scale.high - scale.low, place.top + tall + px(5), len(ticks) - 1
    signs = {0: "≤ ", last: "≥ "} if scale.clipped else {}
    figures = [signs.get(index, "") + number(tick) for index, tick in enumerate(ticks)]
    wides = [width(word, face) for word in figures]
    # The ends come first; what would touch a number already there is left out.
    taken: list[tuple[float, float]] = []
    for index in (0, last, *range(1, last)):
        x = place.left + (ticks[index] - scale.low) / span * wide
        left = x - {0: 0.0, last: 1.0}.get(index, 0.5) * wides[index]
        right = left + wides[index]
        if any(left < other[1] + px(5) and other[0] - px(5) < right for other in taken):
            continue
        taken.append((left, right))
        anchor = {0: "lt", last: "rt"}.get(index, "mt")
        write(draw, (x, top), figures[index], face=face, fill=theme.muted, anchor=anchor)
