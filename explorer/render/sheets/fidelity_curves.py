"""Deletion and insertion curves as small pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.render.drawing.colours import THEMES, Colour, rgb
from explorer.render.drawing.text import font

if TYPE_CHECKING:
    from explorer.explain.fidelity import Fidelity

NAMES = ("insertion", "deletion")
INSERTION, DELETION = rgb("#b3261e"), rgb("#2b5fa8")
FINER = 2
"""Pixels that are drawn for each one kept, so that lines are smooth."""


def fidelity_curves(
    found: Fidelity, row: int, size: tuple[int, int], zoom: int
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """One picture's curves, random orders dashed, and a line on the areas under each.

    Args:
        found: the curves.
        row: which picture's.
        size: (width, height) in pixels.
        zoom: pixels to a unit, for letters and lines.
    """
    from PIL import Image, ImageDraw

    theme, fine = THEMES["light"], zoom * FINER
    wide, tall = size[0] * FINER, size[1] * FINER
    canvas = Image.new("RGB", (wide, tall), theme.panel)
    draw = ImageDraw.Draw(canvas)
    lines = [
        (found.random_insertion[row], INSERTION, True),
        (found.random_deletion[row], DELETION, True),
        (found.insertion[row], INSERTION, False),
        (found.deletion[row], DELETION, False),
    ]
    known = np.concatenate([line for line, *_ in lines])
    known = known[np.isfinite(known)]
    low, high = min(0.0, known.min(initial=0.0)), max(1.0, known.max(initial=1.0))
    edge, head = 5 * fine, 18 * fine
    across = edge + found.shares * (wide - 2 * edge)
    for level in (0.0, 1.0):
        y = head + (high - level) / (high - low) * (tall - edge - head)
        draw.line((edge, y, wide - edge, y), fill=theme.rule, width=fine)
    for line, colour, dashed in lines:
        down = head + (high - line) / (high - low) * (tall - edge - head)
        _line(
            draw,
            np.stack([across, down], axis=1),
            colour,
            width=fine * 2 if not dashed else fine,
            dashed=dashed,
        )
    face = font(10 * fine)
    draw.text((edge, 3 * fine), "insertion", font=face, fill=INSERTION)
    after = edge + draw.textlength("insertion  ", font=face)
    draw.text((after, 3 * fine), "deletion", font=face, fill=DELETION)
    after += draw.textlength("deletion  ", font=face)
    draw.text((after, 3 * fine), "dashed: random", font=face, fill=theme.muted)
    areas = {name: float(area[row]) for name, area in found.areas.items()}
    said = tuple(f"{name} {areas[name]:.2f}, random {areas['random ' + name]:.2f}" for name in NAMES)
    return np.asarray(canvas.resize(size, Image.Resampling.LANCZOS), np.uint8), said


def _line(draw: object, points: NDArray[np.float64], colour: Colour, *, width: int, dashed: bool) -> None:
    from PIL import ImageDraw

    assert isinstance(draw, ImageDraw.ImageDraw)
    points = points[np.isfinite(points).all(axis=1)]
    steps = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    if not dashed:
        draw.line([tuple(point) for point in points.tolist()], fill=colour, width=width, joint="curve")
        return
    each = 4.0 * width
    for begin in np.arange(0, along[-1], 2 * each):
        at = np.clip([begin, begin + each], 0, along[-1])
        ends = np.stack([np.interp(at, along, points[:, axis]) for axis in (0, 1)], axis=1)
        draw.line([tuple(end) for end in ends.tolist()], fill=colour, width=width)
