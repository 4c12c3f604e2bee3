"""Drawing the box that says what is selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explorer.render.drawing.colours import Theme
from explorer.render.drawing.layout import Layout, Rect
from explorer.render.drawing.text import disc, font, rounded, width, write
from explorer.render.linked.words import Info

if TYPE_CHECKING:
    from PIL import Image


def draw_info(canvas: Image.Image, layout: Layout, theme: Theme, *, info: Info, place: Rect) -> None:
    """Draw the box that says what is selected: a heading, then names and values in two columns."""
    from PIL import ImageDraw

    draw, px = ImageDraw.Draw(canvas), layout.px
    rounded(canvas, (place.left, place.top, place.width, place.height), px(8), fill=theme.panel)
    inner, step = place.left + px(16), px(21)
    room = place.width - px(32)
    strong, plain = font(px(14), "Bold"), font(px(12))
    y = place.top + px(27)
    if info.marked:
        r = 6 * layout.scale
        disc(canvas, (inner + r, y - px(5)), r, colour=theme.accent, hollow=r - 2.2 * layout.scale)
    shift = px(20) if info.marked else 0
    write(draw, (inner + shift, y), info.heading, face=strong, fill=theme.text, limit=room - shift)
    lines = max(0, (place.bottom - y - px(10)) // step - bool(info.foot))
    half = room // 2
    names = max((width(name, plain) for name, _ in info.rows), default=0) + px(12)
    slot = 0
    for name, value in info.rows:
        wide = width(value, plain) > half - names - px(8)  # then it has a line for itself
        slot += slot % 2 if wide else 0
        if slot >= 2 * lines:
            break
        x = inner + (half + px(8)) * (slot % 2)
        base = y + step * (1 + slot // 2) + px(3)
        limit = (room if wide else half) - names - px(8)
        write(draw, (x, base), name, face=plain, fill=theme.muted)
        write(draw, (x + names, base), value, face=plain, fill=theme.text, limit=limit)
        slot += 2 if wide else 1
    if info.foot:
        colour = theme.warning if info.warns else theme.muted
        at = (inner, place.bottom - px(14))
        write(draw, at, info.foot, face=plain, fill=colour, limit=room)
