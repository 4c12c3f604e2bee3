"""Small drawings over the cloud: the axes, the ring round the selected point, a passing message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from explorer.render.cloud.camera import Camera
from explorer.render.drawing.colours import Colour, Theme
from explorer.render.drawing.layout import Layout, Rect
from explorer.render.drawing.shapes import Disc, Shape, Strokes, drawing_of
from explorer.render.drawing.text import disc, elide, font, rounded, width, write

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

    from explorer.render.linked.centres import Centre

FINE = 4  # drawn this much larger and reduced, for smooth edges


def draw_axes(
    canvas: Image.Image, layout: Layout, theme: Theme, *, camera: Camera, name: str, n: int
) -> None:
    """Draw how the projection's axes lie, in their place below the cloud."""
    from PIL import Image, ImageDraw

    px, arm, face = layout.px, layout.px(20), font(layout.px(11))
    place = layout.axes
    centre = np.array([place.left + place.width / 2, place.top + arm + px(11)], float)
    base = centre[1] + arm + px(24)
    ends = camera.basis()[:2].T[:n] * np.array([1, -1]) * arm
    ahead = camera.basis()[2][:n]
    half = arm + px(4)
    drawing = drawing_of(canvas)
    patch = Image.new("L", (2 * half * FINE, 2 * half * FINE))
    draw = ImageDraw.Draw(patch)
    for end, depth in sorted(zip(ends, ahead, strict=True), key=lambda pair: float(pair[1])):
        tip = tuple((half + end) * FINE)
        strength = 255 if depth > -0.3 else 150
        draw.line([(half * FINE, half * FINE), tip], fill=strength, width=round(1.6 * layout.scale * FINE))
        if drawing is not None:
            pair = zip(theme.muted, theme.page, strict=True)
            faded = [round(page + (ink - page) * strength / 255) for ink, page in pair]
            line = ((centre[0], centre[1]), (centre[0] + end[0], centre[1] + end[1]))
            colour = (faded[0], faded[1], faded[2])
            drawing.shapes.append(Strokes((line,), colour, 1.6 * layout.scale))
    if drawing is None:
        canvas.paste(theme.muted, (round(centre[0]) - half, round(centre[1]) - half), patch.reduce(FINE))
    page = ImageDraw.Draw(canvas)
    for axis, end in enumerate(ends):
        reach = float(np.hypot(*end))
        # An axis that points at the reader has no room for its name.
        if reach > arm * 0.3:
            at = centre + end * (1 + px(9) / reach)
            write(page, (at[0], at[1]), str(axis + 1), face=face, fill=theme.text, anchor="mm")
    write(page, (centre[0], base), f"{name} axes", face=face, fill=theme.muted, anchor="ms")


def draw_ring(
    canvas: Image.Image, layout: Layout, theme: Theme, *, at: tuple[float, float], exact: bool
) -> None:
    """Ring a pixel: whole for a selected point, dashed for the neighbour of one outside the sample."""
    from PIL import Image, ImageDraw

    half = layout.px(22)
    strokes: list[tuple[float, float, Colour]] = [
        (11.5, 6.5, theme.page),
        (11.0, 3.0, theme.accent),
    ]
    drawing = drawing_of(canvas)
    if drawing is not None:
        for radius, wide, colour in strokes:
            whole = exact or colour == theme.page
            drawing.shapes.append(
                _ring(at, (radius * layout.scale, wide * layout.scale), colour, whole=whole)
            )
        return
    for radius, wide, colour in strokes:
        patch = Image.new("L", (2 * half * FINE, 2 * half * FINE))
        draw = ImageDraw.Draw(patch)
        r, c = radius * layout.scale * FINE + wide * layout.scale * FINE / 2, half * FINE
        box = (c - r, c - r, c + r, c + r)
        spans = [(0, 360)] if exact or colour == theme.page else [(a, a + 34) for a in range(0, 360, 60)]
        for start, end in spans:
            draw.arc(box, start, end, fill=255, width=round(wide * layout.scale * FINE))
        corner = (round(at[0]) - half, round(at[1]) - half)
        paste_inside(canvas, layout, colour, corner=corner, mask=patch.reduce(FINE))


def _ring(at: tuple[float, float], size: tuple[float, float], colour: Colour, *, whole: bool) -> Shape:
    """A ring of (radius, thickness) as a shape, whole or dashed."""
    radius, wide = size
    if whole:
        return Disc(at, radius, colour, wide)
    arcs = [np.radians(np.linspace(start, start + 34, 9)) for start in range(0, 360, 60)]
    lines = tuple(
        tuple((at[0] + radius * float(np.cos(a)), at[1] + radius * float(np.sin(a))) for a in arc)
        for arc in arcs
    )
    return Strokes(lines, colour, wide)


def paste_inside(
    canvas: Image.Image, layout: Layout, colour: Colour, *, corner: tuple[int, int], mask: Image.Image
) -> None:
    """Paste a colour through a mask, cut off at the edges of the cloud's place."""
    place = layout.cloud
    left, top = max(corner[0], place.left), max(corner[1], place.top)
    right, bottom = min(corner[0] + mask.width, place.right), min(corner[1] + mask.height, place.bottom)
    if left < right and top < bottom:
        part = mask.crop((left - corner[0], top - corner[1], right - corner[0], bottom - corner[1]))
        canvas.paste(colour, (left, top), part)


def place_names(layout: Layout, camera: Camera, named: tuple[Centre, ...]) -> tuple[tuple[Rect, Centre], ...]:
    """Where classes' names go, the largest class first; one that finds no free place is left out."""
    if not named:
        return ()
    px, place = layout.px, layout.cloud
    face, tall = font(px(13), "Bold"), px(20)
    pixels, depth = camera.project(np.array([centre.place for centre in named]), (place.width, place.height))
    taken: list[tuple[Rect, Centre]] = []
    for centre, (x, y), far in zip(named, pixels, depth, strict=True):
        if not (far > 0 and 0 <= x < place.width and 0 <= y < place.height):
            continue
        wide = min(width(centre.name, face), px(150)) + px(22)
        for dx, dy in ((0, 0), (0, -1), (0, 1), (0.6, 0), (-0.6, 0), (0, -2), (0, 2)):
            left, top = x + dx * wide - wide / 2, y + dy * tall - tall / 2
            left = min(max(left, px(4)), place.width - wide - px(4))
            top = min(max(top, px(4)), place.height - tall - px(4))
            box = Rect(place.left + round(left), place.top + round(top), wide, tall)
            if not any(box.meets(other) for other, _ in taken):
                taken.append((box, centre))
                break
    return tuple(taken)


def draw_names(
    canvas: Image.Image, layout: Layout, theme: Theme, *, placed: tuple[tuple[Rect, Centre], ...]
) -> None:
    """Write classes' names at their places."""
    from PIL import ImageDraw

    draw, face = ImageDraw.Draw(canvas), font(layout.px(13), "Bold")
    for box, centre in placed:
        name = elide(centre.name, face, layout.px(150))
        corner = (box.left, box.top)
        _name(canvas, draw, layout, theme, name=name, colour=centre.colour, corner=corner)


def _name(
    canvas: Image.Image,
    draw: ImageDraw.ImageDraw,
    layout: Layout,
    theme: Theme,
    *,
    name: str,
    colour: Colour,
    corner: tuple[float, float],
) -> None:
    """One name after a disc of its colour, with the page's colour round both."""
    px, face = layout.px, font(layout.px(13), "Bold")
    middle = (corner[0] + px(8), corner[1] + px(10))
    disc(canvas, middle, px(7), colour=theme.page)
    disc(canvas, middle, px(5), colour=colour)
    at = (round(middle[0] + px(9)), round(middle[1]))
    halo, fill = px(2), theme.text
    draw.text(at, name, font=face, fill=fill, anchor="lm", stroke_width=halo, stroke_fill=theme.page)


def draw_halves(canvas: Image.Image, layout: Layout, theme: Theme, *, words: tuple[str, str]) -> None:
    """Say which of two clouds is which at the top of each, and draw the line between them."""
    from PIL import ImageDraw

    draw, px, face = ImageDraw.Draw(canvas), layout.px, font(layout.px(13), "Bold")
    if layout.second is None:
        return
    draw.rectangle(
        (layout.cloud.right, layout.cloud.top, layout.second.left - 1, layout.cloud.bottom - 1),
        fill=theme.rule,
    )
    for place, line in zip((layout.cloud, layout.second), words, strict=True):
        left, room = place.left + px(28), place.width - px(44)
        wide = min(width(line, face), room)
        draw.rectangle((left - px(4), place.top, left + wide + px(4), place.top + px(22)), fill=theme.page)
        write(draw, (left, place.top + px(11)), line, face=face, fill=theme.text, anchor="lm", limit=room)


def draw_note(canvas: Image.Image, layout: Layout, theme: Theme, *, words: str) -> None:
    """Say what the picture leaves out, at the bottom of the cloud."""
    from PIL import ImageDraw

    if not words:
        return
    draw, px, place = ImageDraw.Draw(canvas), layout.px, layout.cloud
    face, room = font(px(12)), place.width - px(56)
    wide = min(width(words, face), room)
    left, top = place.left + px(28), place.bottom - px(24)
    draw.rectangle((left - px(4), top, left + wide + px(4), top + px(20)), fill=theme.page)
    write(draw, (left, top + px(10)), words, face=face, fill=theme.warning, anchor="lm", limit=room)


def draw_message(canvas: Image.Image, layout: Layout, theme: Theme, *, words: str, low: bool = False) -> None:
    """Say something in passing at the top of the cloud, or low in the middle of the window."""
    from PIL import ImageDraw

    draw, px, place = ImageDraw.Draw(canvas), layout.px, layout.cloud
    face = font(px(13))
    room = min(width(words, face), place.width - px(80))
    left, top = place.left + px(28), place.top + px(6 if layout.second is None else 28)
    if low:
        left, top = (layout.size[0] - room - px(28)) // 2, layout.size[1] - px(42)
    rounded(canvas, (left, top, room + px(28), px(32)), px(6), fill=theme.text)
    write(draw, (left + px(14), top + px(16)), words, face=face, fill=theme.page, anchor="lm", limit=room)


def draw_help(canvas: Image.Image, layout: Layout, theme: Theme, *, keys: list[tuple[str, str]]) -> None:
    """Lay the list of keys over the page: two columns of keys and what they do."""
    from PIL import Image, ImageDraw

    px = layout.px
    half = -(-len(keys) // 2)
    step, pad = px(27), px(32)
    strong, plain = font(px(12), "Bold"), font(px(12))
    caps = max(width(key, strong) for key, _ in keys) + px(18)
    says = max(width(words, plain) for _, words in keys)
    column = caps + px(14) + says
    wide = min(2 * column + px(40) + 2 * pad, layout.size[0] - px(20))
    tall = half * step + px(66) + pad
    left, top = (layout.size[0] - wide) // 2, max(0, (layout.size[1] - tall) // 2)
    canvas.paste(Image.blend(canvas, Image.new("RGB", canvas.size, theme.page), 0.72))
    draw = ImageDraw.Draw(canvas)
    rounded(canvas, (left, top, wide, tall), px(10), fill=theme.page, outline=theme.rule)
    write(draw, (left + pad, top + px(44)), "Mouse and keys", face=font(px(17), "Bold"), fill=theme.text)
    for index, (key, words) in enumerate(keys):
        x = left + pad + (index // half) * (column + px(40))
        y = top + px(80) + (index % half) * step
        rounded(canvas, (x, y - px(10), caps, px(21)), px(4), fill=theme.panel)
        write(draw, (x + caps / 2, y), key, face=strong, fill=theme.text, anchor="mm")
        room = left + wide - pad - x - caps - px(14)
        at = (x + caps + px(14), y)
        write(draw, at, words, face=plain, fill=theme.text, anchor="lm", limit=min(room, says))
