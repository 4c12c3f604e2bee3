"""One map of a grid: scaled up or down, over its picture or alone, marked where there is nothing to see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.render.drawing.colours import THEMES, Scale, table
from explorer.render.drawing.heatmap import drawn, hatched, overlay, resize
from explorer.render.drawing.sheet import Box, Sheet
from explorer.render.drawing.text import font, number, width

THEME = THEMES["light"]
GREY = Scale(0.0, 0.0, "gray")
FILTER_WORDS = {
    "nearest": "by repeating each position (nearest)",
    "bilinear": "bilinearly, values before colours",
    "bicubic": "bicubically, values before colours",
    "lanczos": "by Lanczos' kernel, values before colours",
}


@dataclass(frozen=True)
class Look:
    """How maps are drawn.

    Attributes:
        method: the filter: "nearest", "bilinear", "bicubic" or "lanczos".
        overlay: how opaque maps lie over the picture, 0 to 1; None for maps alone.
    """

    method: str = "nearest"
    overlay: float | None = None

    @property
    def words(self) -> str:
        """The filter in words."""
        return FILTER_WORDS[self.method]


def draw_map(
    sheet: Sheet,
    values: NDArray[Any],
    scale: Scale,
    box: Box,
    *,
    look: Look,
    picture: NDArray[np.uint8] | None,
) -> None:
    """Draw one map; grey with a word where it is constant or holds no number."""
    x, y, *units = box
    wide, tall = (part * sheet.zoom for part in units)
    finite = values[np.isfinite(values)]
    constant = finite.size > 0 and bool(finite.min() == finite.max())
    nothing = constant or finite.size == 0
    under = None if look.overlay is None or picture is None else _under(picture, (wide, tall))
    if nothing or scale.constant:
        # Flat colour would read as a value; grey reads as "nothing to see".
        tile = np.full((tall, wide, 3), THEME.panel, np.uint8)
        if finite.size < values.size:
            tile = drawn(np.where(np.isfinite(values), 0.0, np.nan), GREY, THEME, size=(wide, tall))
    else:
        tile = painted(values, scale, (wide, tall), look.method)
    if finite.size == 0:
        tile = hatched(tile, np.ones(tile.shape[:2], bool), THEME)
    if under is not None and look.overlay is not None:
        tile = overlay(under, tile, look.overlay)
    sheet.paste((x, y), tile)
    if nothing:
        sheet.plate(box, outline=THEME.rule)
        value = number(float(finite[0])) if constant else ""
        words = (f"constant {value}", f"= {value}") if constant else ("not a number", "NaN")
        _stamp(sheet, (x + box[2] // 2, y + box[3] // 2), words, limit=box[2] - 4)


def painted(values: NDArray[Any], scale: Scale, size: tuple[int, int], method: str) -> NDArray[np.uint8]:
    """A map (rows, columns) as large as `size` (width, height), missing values hatched.

    Values are interpolated before they become colours; enlarged by "nearest", no value is changed, and
    shrunk, each pixel is the mean of the positions under it.
    """
    rows, columns = values.shape
    shrinks = size[0] < columns or size[1] < rows
    if method == "nearest" and not shrinks:
        return _repeated(values, scale, size)
    from PIL import Image

    finite = np.isfinite(values)
    with np.errstate(invalid="ignore", over="ignore"):
        span = scale.high - scale.low
        # Pulled in a little beyond the ends, so that one stray value does not ring over its neighbours.
        unit = np.clip(values / span - scale.low / span, -1, 2)
    if not finite.all():
        unit = np.where(finite, unit, unit[finite].mean())
    way = Image.Resampling.BOX if method == "nearest" else Image.Resampling[method.upper()]
    scaled = np.asarray(Image.fromarray(unit.astype(np.float32)).resize(size, way))
    tile = Scale(0.0, 1.0, scale.colour_map).colours(scaled, THEME.panel)
    if finite.all():
        return tile
    where = resize(np.repeat(~finite[..., None] * np.uint8(255), 3, axis=2), size)[..., 0] > 127
    return hatched(tile, where, THEME)


def _repeated(values: NDArray[Any], scale: Scale, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A map with whole pixels to a position, by repeating them; any other size by `drawn`."""
    rows, columns = values.shape
    if size[0] % columns or size[1] % rows or not np.isfinite(values).all():
        return drawn(values, scale, THEME, size=size)
    # What `Scale.colours` does, without its care for what is not finite: hundreds of maps come through here.
    span = scale.high - scale.low
    unit = np.clip(values.astype(np.float64) / span - scale.low / span, 0, 1)
    colours = table(scale.colour_map)[np.rint(unit * 255).astype(np.uint8)]
    wide = np.repeat(colours, size[0] // columns, axis=1)
    return np.repeat(wide, size[1] // rows, axis=0)


def _under(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    shrinks = size[0] < picture.shape[1]
    return resize(picture, size, "lanczos" if shrinks else "bicubic")


def _stamp(sheet: Sheet, centre: tuple[int, int], words: tuple[str, str], *, limit: int) -> None:
    """Write words, or short ones, in the middle of a tile on a plate that keeps them readable."""
    choices = [(text, size) for text in words for size in (12, 11, 10)]
    fitting = (one for one in choices if width(one[0], font(one[1])) + 6 <= limit)
    text, size = next(fitting, (words[1], 9))
    half = min(width(text, font(size)), limit) // 2 + 3
    x, y = centre
    sheet.plate((x - half, y - 10, 2 * half, 20), fill=THEME.panel, radius=4)
    sheet.write(centre, text, size=size, fill=THEME.muted, anchor="mm", limit=limit)
