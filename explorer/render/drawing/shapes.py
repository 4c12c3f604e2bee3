"""A page as shapes and words: what draws on a picture draws here too, and nothing becomes pixels.

`ImageDraw.Draw` asks what it is given for a pen (`getdraw`), so that a `Drawing` takes the place of a picture
in all that is drawn with Pillow. What Pillow would blend through a mask asks `drawing_of` first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.render.drawing.colours import Colour

if TYPE_CHECKING:
    from PIL import ImageFont

Point = tuple[float, float]


@dataclass(frozen=True)
class Words:
    """A line of text: its left end on the baseline, and how wide it is."""

    at: Point
    text: str
    size: float
    bold: bool
    colour: Colour
    width: float
    halo: tuple[Colour, float] | None = None


@dataclass(frozen=True)
class Box:
    """A rectangle (left, top, width, height), filled or with a line along its edge, or both."""

    place: tuple[float, float, float, float]
    fill: Colour | None = None
    line: Colour | None = None
    thick: float = 0.0
    radius: float = 0.0


@dataclass(frozen=True)
class Disc:
    """A disc, or a ring of some thickness about a radius."""

    centre: Point
    radius: float
    colour: Colour
    thick: float = 0.0


@dataclass(frozen=True)
class Strokes:
    """Lines through points, each with round ends."""

    lines: tuple[tuple[Point, ...], ...]
    colour: Colour
    thick: float


@dataclass(frozen=True)
class Region:
    """Rectangles (left, top, width, height) that are filled as one shape, seen through as asked."""

    boxes: tuple[tuple[float, float, float, float], ...]
    colour: Colour
    opacity: float


@dataclass(frozen=True, eq=False)
class Cells:
    """A grid of plain colours (rows, columns, 3) that fills a place (left, top, width, height)."""

    place: tuple[float, float, float, float]
    colours: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Raster:
    """A picture (rows, columns, 3 or 4) that fills a place (left, top, width, height)."""

    place: tuple[float, float, float, float]
    pixels: NDArray[np.uint8]
    smooth: bool = True


Shape = Words | Box | Disc | Strokes | Region | Cells | Raster


@dataclass
class Drawing:
    """Shapes in the order in which they are drawn.

    Attributes:
        size: (width, height), in the page's pixels.
        shapes: what was drawn.
    """

    size: tuple[int, int]
    shapes: list[Shape] = field(default_factory=list)

    def getdraw(self, mode: str | None = None) -> Drawing:
        """The pen that `ImageDraw.Draw` asks for: the drawing itself."""
        return self

    def text(
        self,
        at: Point,
        text: str,
        *,
        font: ImageFont.FreeTypeFont,
        fill: Colour,
        anchor: str = "la",
        stroke_width: float = 0,
        stroke_fill: Colour | None = None,
    ) -> None:
        """Write a line as `ImageDraw.text` does."""
        wide = font.getlength(text)
        left = at[0] - {"l": 0.0, "m": wide / 2, "r": wide}[anchor[0]]
        ascent, descent = font.getmetrics()
        drop = {"s": 0.0, "m": (ascent - descent) / 2, "a": float(ascent)}
        base = at[1] + (drop[anchor[1]] if anchor[1] in drop else -font.getbbox(text, anchor="ls")[1])
        halo = None if stroke_fill is None or not stroke_width else (stroke_fill, float(stroke_width))
        bold = "Bold" in (font.getname()[1] or "")
        self.shapes.append(Words((left, base), text, font.size, bold, fill, wide, halo))

    def rectangle(
        self,
        box: Sequence[float],
        *,
        fill: Colour | None = None,
        outline: Colour | None = None,
        width: int = 1,
    ) -> None:
        """Draw a rectangle as `ImageDraw.rectangle` does: its right and lower edges belong to it."""
        left, top, right, bottom = box
        place = (left, top, right + 1 - left, bottom + 1 - top)
        self.shapes.append(Box(place, fill, outline, width if outline is not None else 0))

    def line(self, points: Sequence[float], *, fill: Colour, width: float = 1) -> None:
        """Draw a line through points (x, y, x, y, …)."""
        pairs = tuple((points[k], points[k + 1]) for k in range(0, len(points), 2))
        self.shapes.append(Strokes((pairs,), fill, width))

    def paste(self, picture: Any, corner: Point) -> None:
        """Lay a picture down, one of its pixels a pixel of the page."""
        pixels = np.asarray(picture, np.uint8)
        self.shapes.append(Raster((*corner, pixels.shape[1], pixels.shape[0]), pixels))

    def mask(
        self, place: tuple[float, float, float, float], mask: NDArray[np.bool_], *, pale: Colour, line: Colour
    ) -> None:
        """Mark the cells of a mask (rows, columns) over a place: the others paler, an outline between."""
        left, top, wide, tall = place
        rows, columns = mask.shape
        w, h = wide / columns, tall / rows
        outside = tuple((left + x * w, top + y * h, w, h) for y, x in np.argwhere(~mask).tolist())
        if outside:
            self.shapes.append(Region(outside, pale, 0.55))
        edges = [
            ((left + x * w, top + (y + 1) * h), (left + (x + 1) * w, top + (y + 1) * h))
            for y, x in np.argwhere(mask[:-1] != mask[1:]).tolist()
        ]
        edges += [
            ((left + (x + 1) * w, top + y * h), (left + (x + 1) * w, top + (y + 1) * h))
            for y, x in np.argwhere(mask[:, :-1] != mask[:, 1:]).tolist()
        ]
        if edges:
            self.shapes += [Strokes(tuple(edges), (10, 12, 14), 4.0), Strokes(tuple(edges), line, 2.0)]


def drawing_of(canvas: object) -> Drawing | None:
    """What is drawn on, when it is a drawing and not a picture."""
    return canvas if isinstance(canvas, Drawing) else None
