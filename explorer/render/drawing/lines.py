"""Lines with smooth edges on a Pillow picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from explorer.render.drawing.colours import Colour
from explorer.render.drawing.shapes import Strokes, drawing_of

if TYPE_CHECKING:
    from PIL import Image

FINE = 4
"""Drawn this much larger and reduced."""
Point = tuple[float, float]


def stroke(
    canvas: Image.Image,
    points: Sequence[Point],
    colour: Colour,
    thick: float,
    *,
    within: tuple[int, int, int, int] | None = None,
) -> None:
    """Draw a line through pixels (x, y), cut off at a box (left, top, right, bottom).

    Args:
        canvas: a picture, or a `Drawing`.
        points: at least two.
        colour: of the line.
        thick: its width in pixels.
        within: nothing is drawn outside it; None for the whole picture.
    """
    from PIL import Image, ImageDraw

    drawing = drawing_of(canvas)
    if drawing is not None:
        drawing.shapes.append(Strokes((tuple(points),), colour, thick))
        return
    box = within or (0, 0, canvas.width, canvas.height)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    left = max(box[0], math.floor(min(xs) - thick - 1))
    top = max(box[1], math.floor(min(ys) - thick - 1))
    right = min(box[2], math.ceil(max(xs) + thick + 1))
    bottom = min(box[3], math.ceil(max(ys) + thick + 1))
    if left >= right or top >= bottom:
        return
    mask = Image.new("L", ((right - left) * FINE, (bottom - top) * FINE))
    draw = ImageDraw.Draw(mask)
    fine = [((x - left) * FINE, (y - top) * FINE) for x, y in points]
    wide = max(1, round(thick * FINE))
    draw.line(fine, fill=255, width=wide, joint="curve")
    for x, y in (fine[0], fine[-1]):
        r = wide / 2
        draw.ellipse((x - r, y - r, x + r, y + r), fill=255)
    canvas.paste(colour, (left, top), mask.reduce(FINE))


def dashed(points: Sequence[Point], dash: float, gap: float) -> list[tuple[Point, Point]]:
    """The pieces of a line through some pixels that is drawn dashed."""
    pieces: list[tuple[Point, Point]] = []
    for (x0, y0), (x1, y1) in pairwise(points):
        length = math.hypot(x1 - x0, y1 - y0)
        at = 0.0
        while at < length:
            end = min(at + dash, length)
            one, other = at / length, end / length
            pieces.append(
                (
                    (x0 + (x1 - x0) * one, y0 + (y1 - y0) * one),
                    (x0 + (x1 - x0) * other, y0 + (y1 - y0) * other),
                )
            )
            at = end + gap
    return pieces
