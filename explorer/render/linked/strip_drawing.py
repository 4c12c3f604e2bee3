"""Drawing the strip of small pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from explorer.render.drawing.colours import Theme
from explorer.render.drawing.heatmap import resize
from explorer.render.drawing.layout import Layout, Rect
from explorer.render.drawing.text import font, write
from explorer.render.linked.strips import Strip, Thumb

if TYPE_CHECKING:
    from PIL import Image

Link = tuple[Rect, tuple[int, ...]]


def room(layout: Layout, n_strips: int) -> int:
    """How many small pictures each of so many strips side by side can show; 0 where there is no strip."""
    if layout.strip is None:
        return 0
    wide = (layout.strip.width - layout.px(20) * (n_strips - 1)) // n_strips
    tall = layout.strip.height - layout.px(17) - layout.px(15)
    return max(1, (wide + layout.px(6)) // (tall + layout.px(6)))


def draw_strips(
    canvas: Image.Image, layout: Layout, theme: Theme, *, strips: tuple[Strip, ...]
) -> tuple[Link, ...]:
    """Draw strips side by side in their place; say where each small picture leads."""
    from PIL import ImageDraw

    assert layout.strip is not None  # the caller looked
    draw, px, whole = ImageDraw.Draw(canvas), layout.px, layout.strip
    gap = px(20)
    wide = (whole.width - gap * (len(strips) - 1)) // len(strips)
    links: list[Link] = []
    for index, strip in enumerate(strips):
        left = whole.left + index * (wide + gap)
        at = (left, whole.top + px(11))
        write(draw, at, strip.title, face=font(px(11), "Bold"), fill=theme.text, limit=wide)
        tall = whole.height - px(17) - px(15)
        step = tall + px(6)
        for number, thumb in enumerate(strip.thumbs[: room(layout, len(strips))]):
            place = Rect(left + number * step, whole.top + px(17), tall, tall)
            draw_thumb(canvas, layout, theme, thumb=thumb, place=place)
            links.append((Rect(place.left, place.top, tall, whole.bottom - place.top), thumb.at))
    return tuple(links)


def draw_thumb(canvas: Image.Image, layout: Layout, theme: Theme, *, thumb: Thumb, place: Rect) -> None:
    """One small picture with what is marked in it, and its caption."""
    from PIL import Image, ImageDraw

    draw, px = ImageDraw.Draw(canvas), layout.px
    inner = place
    if thumb.picture is None:
        draw.rectangle((place.left, place.top, place.right - 1, place.bottom - 1), fill=theme.panel)
    else:
        tall, wide = thumb.picture.shape[:2]
        zoom = min(place.width / wide, place.height / tall)
        size = max(1, round(wide * zoom)), max(1, round(tall * zoom))
        inner = Rect(place.left, place.top + (place.height - size[1]) // 2, *size)
        picture = resize(thumb.picture, size, "lanczos" if zoom < 1 else "nearest")
        canvas.paste(Image.fromarray(picture), (inner.left, inner.top))
    if thumb.box is not None:
        x0, y0, x1, y1 = thumb.box
        middle = inner.left + (x0 + x1) / 2 * inner.width, inner.top + (y0 + y1) / 2 * inner.height
        # A position smaller than a few pixels is still to be seen.
        half = max(px(6), (x1 - x0) * inner.width) / 2, max(px(6), (y1 - y0) * inner.height) / 2
        edge = tuple(round(part) for part in (*np.subtract(middle, half), *np.add(middle, half)))
        draw.rectangle(edge, outline=theme.accent, width=max(1, px(1.5)))
    if not thumb.caption:
        return
    at = (place.left, place.bottom + px(11))
    write(draw, at, thumb.caption, face=font(px(10)), fill=theme.muted, limit=place.width)
