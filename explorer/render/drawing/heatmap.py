"""Heatmaps: a map of values as a picture, alone or over the image it answers to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, suggest
from explorer.render.drawing.colours import Colour, Scale, Theme
from explorer.render.drawing.shapes import drawing_of

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

    from explorer.render.drawing.layout import Rect

FILTERS = ("nearest", "bilinear", "bicubic", "lanczos")
MISSING = {"light": (236, 228, 214), "dark": (58, 49, 40)}


def resize(picture: NDArray[np.uint8], size: tuple[int, int], method: str = "nearest") -> NDArray[np.uint8]:
    """Scale a picture (rows, columns, 3) to `size` (width, height).

    "nearest" is the default everywhere: it shows the positions as the layer has them.

    Raises:
        InputError: there is no such filter.
    """
    from PIL import Image

    if method not in FILTERS:
        raise InputError(f"filter {method!r}: {suggest(method, FILTERS)}")
    scaled = Image.fromarray(picture).resize(size, Image.Resampling[method.upper()])
    return np.asarray(scaled, np.uint8)


def heatmap(values: NDArray[Any], scale: Scale, theme: Theme) -> NDArray[np.uint8]:
    """A map (rows, columns) as a picture (rows, columns, 3), one pixel a position."""
    return scale.colours(values, MISSING[theme.name])


def drawn(
    values: NDArray[Any], scale: Scale, theme: Theme, *, size: tuple[int, int], method: str = "nearest"
) -> NDArray[np.uint8]:
    """A map (rows, columns) drawn `size` (width, height) pixels large, missing values hatched."""
    shrinks = size[0] < values.shape[1] or size[1] < values.shape[0]
    picture = resize(heatmap(values, scale, theme), size, "bilinear" if shrinks else method)
    missing = ~np.isfinite(np.asarray(values, np.float64))
    if missing.any():
        where = resize(np.repeat(missing[..., None] * np.uint8(255), 3, axis=2), size)[..., 0] > 127
        picture = hatched(picture, where, theme)
    return picture


def hatched(picture: NDArray[np.uint8], where: NDArray[np.bool_], theme: Theme) -> NDArray[np.uint8]:
    """Fill the pixels `where` (rows, columns) of a picture with the pattern of missing values."""
    out = picture.copy()
    rows, columns = np.nonzero(where)
    lines = (rows + columns) % 7 < 2
    out[rows, columns] = MISSING[theme.name]
    out[rows[lines], columns[lines]] = [round(0.55 * part + 0.45 * 128) for part in theme.warning]
    return out


def overlay(picture: NDArray[np.uint8], colours: NDArray[np.uint8], alpha: float = 0.78) -> NDArray[np.uint8]:
    """Lay colours over a picture of the same shape (rows, columns, 3).

    The picture is turned to grey first: then every hue that is seen belongs to the map.
    """
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha {alpha}: expected 0 to 1")
    if picture.shape != colours.shape:
        raise InputError(f"picture {picture.shape} and map {colours.shape}: expected the same shape")
    grey = picture @ np.array([0.299, 0.587, 0.114])
    mixed = colours * alpha + grey[..., None] * (1 - alpha)
    return np.asarray(np.rint(mixed), np.uint8)


def outline(
    draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], theme: Theme, *, thick: int = 2
) -> None:
    """Mark a cell (left, top, right, bottom): the accent between two halos, seen on any colour."""
    left, top, right, bottom = (round(edge) for edge in box)
    right, bottom = max(right, left + 1), max(bottom, top + 1)  # a cell may be narrower than a pixel
    rings: list[tuple[int, Colour, int]] = [(2 * thick, (10, 12, 14), thick), (thick, theme.accent, thick)]
    rings.append((0, theme.halo, max(1, thick // 2)))
    for grow, colour, stroke in rings:
        edge = (left - grow, top - grow, right - 1 + grow, bottom - 1 + grow)
        draw.rectangle(edge, outline=colour, width=stroke)


def outline_field(
    draw: ImageDraw.ImageDraw,
    place: Rect,
    field: tuple[float, float, float, float],
    theme: Theme,
    *,
    thick: int = 2,
) -> None:
    """Frame what a position sees of a picture at a place: left, top, right and bottom from 0 to 1."""
    left, right = (place.left + part * place.width for part in (field[0], field[2]))
    top, bottom = (place.top + part * place.height for part in (field[1], field[3]))
    low = round(left), round(top)
    high = max(round(right), low[0] + 2) - 1, max(round(bottom), low[1] + 2) - 1
    thin = max(1, thick // 2)
    for shrunk, colour in ((0, (10, 12, 14)), (thin, theme.halo), (2 * thin, (10, 12, 14))):
        inner = (low[0] + shrunk, low[1] + shrunk, high[0] - shrunk, high[1] - shrunk)
        if inner[2] > inner[0] and inner[3] > inner[1]:
            draw.rectangle(inner, outline=colour, width=thin)


def outline_mask(
    canvas: Image.Image,
    place: Rect,
    mask: NDArray[np.bool_],
    theme: Theme,
    *,
    thick: int = 2,
    pale: bool = True,
) -> None:
    """Mark the cells of a mask (rows, columns) on a picture at a place: their outline, the rest paler."""
    from PIL import Image

    drawing = drawing_of(canvas)
    if drawing is not None:
        box = (place.left, place.top, place.width, place.height)
        drawing.mask(box, mask, pale=theme.panel, line=theme.accent)
        return
    rows = np.arange(place.height) * mask.shape[0] // place.height
    columns = np.arange(place.width) * mask.shape[1] // place.width
    inside = mask[rows][:, columns]
    box = (place.left, place.top, place.right, place.bottom)
    pixels = np.asarray(canvas.crop(box), np.float32)
    if pale:
        pixels = np.where(inside[..., None], pixels, 0.45 * pixels + 0.55 * np.array(theme.panel, np.float32))
    for grown, colour in ((2 * thick, (10, 12, 14)), (thick, theme.accent)):
        pixels[_edge(inside, grown)] = colour
    canvas.paste(Image.fromarray(np.asarray(pixels + 0.5, np.uint8)), box[:2])


def _edge(inside: NDArray[np.bool_], thick: int) -> NDArray[np.bool_]:
    """The pixels of a mask that lie within `thick` pixels of one outside it; the picture's rim is none."""
    padded = np.pad(inside, thick, mode="edge")
    held = inside.copy()
    for shift in range(1, thick + 1):
        for dy, dx in ((shift, 0), (-shift, 0), (0, shift), (0, -shift)):
            top, left = thick + dy, thick + dx
            held &= padded[top : top + inside.shape[0], left : left + inside.shape[1]]
    return inside & ~held
