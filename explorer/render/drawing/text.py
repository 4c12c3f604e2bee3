"""Text on pictures: fonts that come with Matplotlib, measured and elided."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from explorer.render.drawing.colours import Colour
from explorer.render.drawing.shapes import Box, Disc, drawing_of

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

ELLIPSIS = "…"
METHODS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP", "precomputed": "precomputed"}


@functools.lru_cache(maxsize=64)
def font(size: int, style: str = "") -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which has Greek, Cyrillic, arrows and mathematics, `size` pixels high.

    Args:
        size: pixels.
        style: "", "Bold" or "Oblique".
    """
    from matplotlib import get_data_path
    from PIL import ImageFont

    name = f"DejaVuSans{'-' + style if style else ''}.ttf"
    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/{name}", size)


def width(text: str, face: ImageFont.FreeTypeFont) -> int:
    """How many pixels wide a line of text is."""
    return math.ceil(face.getlength(printable(text)))


def elide(text: str, face: ImageFont.FreeTypeFont, limit: float) -> str:
    """Shorten text in its middle to `limit` pixels; names differ at both ends."""
    text = printable(text)
    if width(text, face) <= limit:
        return text
    low, high = 0, len(text)
    while low < high:
        keep = (low + high + 1) // 2
        if width(_middle(text, keep), face) <= limit:
            low = keep
        else:
            high = keep - 1
    return _middle(text, low)


def _middle(text: str, keep: int) -> str:
    """The first and last letters of a text, `keep` of them in all."""
    tail = keep // 2
    return text[: keep - tail] + ELLIPSIS + (text[-tail:] if tail else "")


def printable(text: str) -> str:
    """One line without control characters, so that a file's name cannot break the layout."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def write(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    *,
    face: ImageFont.FreeTypeFont,
    fill: Colour,
    anchor: str = "ls",
    limit: float = math.inf,
) -> int:
    """Write one line and return its width in pixels.

    Args:
        draw: what to draw on.
        at: pixel (x, y) of the anchor.
        text: the line; elided to `limit` pixels.
        face: the font.
        fill: the colour.
        anchor: Pillow's anchor; "ls" is left end of the baseline.
        limit: the widest it may be.
    """
    line = elide(printable(text), face, limit)
    # Whole pixels, so that stems stay sharp.
    draw.text((round(at[0]), round(at[1])), line, font=face, fill=fill, anchor=anchor)
    return width(line, face)


def number(value: float, digits: int = 3) -> str:
    """A number as short as reads well: 0, 12.3, -0.004, 1.2e+07, with a true minus sign."""
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    return f"{value:.{digits}g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e").replace("-", "−")


def count(value: int) -> str:
    """A count with separators: 23,040."""
    return f"{value:,}"


def plural(value: int, noun: str) -> str:
    """A count and its noun: 1 image, 360 images."""
    return f"{count(value)} {noun}{'' if value == 1 else 's'}"


def method_name(method: str) -> str:
    """How a method of projection is written: t-SNE, UMAP."""
    return METHODS.get(method, method)


@functools.lru_cache(maxsize=256)
def _rounded(width: int, height: int, radius: int) -> Image.Image:
    """A mask of a rectangle with smooth round corners."""
    from PIL import Image, ImageDraw

    fine = 4
    mask = Image.new("L", (width * fine, height * fine))
    edge = (0, 0, width * fine - 1, height * fine - 1)
    ImageDraw.Draw(mask).rounded_rectangle(edge, radius * fine, fill=255)
    return mask.reduce(fine)


def rounded(
    canvas: Image.Image,
    box: tuple[int, int, int, int],
    radius: int,
    *,
    fill: Colour,
    outline: Colour | None = None,
) -> None:
    """Fill a rectangle (left, top, width, height) with smooth round corners, with a thin line round it."""
    left, top, wide, tall = box
    drawing = drawing_of(canvas)
    if drawing is not None:
        drawing.shapes.append(Box(box, fill, outline, 0.0 if outline is None else 1.0, radius))
        return
    if outline is not None:
        canvas.paste(outline, (left, top), _rounded(wide, tall, radius))
        left, top, wide, tall = left + 1, top + 1, wide - 2, tall - 2
    canvas.paste(fill, (left, top), _rounded(wide, tall, radius))


def disc(
    canvas: Image.Image,
    centre: tuple[float, float],
    radius: float,
    *,
    colour: Colour,
    hollow: float = 0.0,
) -> None:
    """Draw a disc with smooth edges, or a ring when `hollow` (pixels left free inside) is given."""
    from PIL import Image, ImageDraw

    drawing = drawing_of(canvas)
    if drawing is not None:
        thick = radius - hollow if hollow else 0.0
        drawing.shapes.append(Disc(centre, radius - thick / 2, colour, thick))
        return
    fine, half = 8, math.ceil(radius) + 1
    patch = Image.new("L", (2 * half * fine, 2 * half * fine))
    draw, middle = ImageDraw.Draw(patch), half * fine
    for r, fill in ((radius, 255), (hollow, 0)):
        if r:
            edge = r * fine
            draw.ellipse((middle - edge, middle - edge, middle + edge - 1, middle + edge - 1), fill=fill)
    canvas.paste(colour, (round(centre[0]) - half, round(centre[1]) - half), patch.reduce(fine))
