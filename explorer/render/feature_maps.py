"""The feature-map grid: the maps of one layer for one picture, side by side and named."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.errors import InputError
from explorer.render.colours import THEMES, Scale, table
from explorer.render.heatmap import drawn, hatched
from explorer.render.text import count, elide, font, number, plural, width, write

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

THEME = THEMES["light"]
MARGIN, GAP, LINE = 28, 12, 20
STRIP = 26  # height in pixels of a rank-1 map


@dataclass(frozen=True)
class Plan:
    """Where everything lies, in pixels.

    Attributes:
        columns: maps in a row.
        rows: rows of maps.
        tile: (width, height) of one map.
        size: (width, height) of the picture.
        left: x of the first map.
        top: y of the first map's title.
    """

    columns: int
    rows: int
    tile: tuple[int, int]
    size: tuple[int, int]
    left: int
    top: int

    def corner(self, index: int) -> tuple[int, int]:
        """Left and top of the map at this place in reading order."""
        row, column = divmod(index, self.columns)
        x = self.left + column * (self.tile[0] + GAP)
        return x, self.top + LINE + row * (self.tile[1] + GAP + LINE)


def draw_grid(
    activations: Activations,
    channels: list[int],
    *,
    image: int,
    columns: int | None,
    colour_map: str,
    normalise: Literal["map", "layer"],
    limits: tuple[int, int],
    title: str | None,
    picture: NDArray[np.uint8] | None,
    size: tuple[int, int] | None,
) -> Image.Image:
    """Compose the grid; `explorer.render.grid` has checked the arguments and says what they mean."""
    from PIL import Image, ImageDraw

    values = np.asarray(activations.values[image][..., channels], np.float64)
    maps = np.moveaxis(values.reshape(-1, *values.shape[-2:]) if values.ndim == 2 else values, -1, 0)
    strips = len(activations.spatial_shape) == 1
    head = 78 if picture is None else 104
    plan = make_plan(maps.shape, strips=strips, columns=columns, size=size, head=head)
    canvas = Image.new("RGB", plan.size, THEME.page)
    draw = ImageDraw.Draw(canvas)
    scales = scales_of(maps, colour_map, normalise=normalise, limits=limits)
    heading = title or f"{activations.layer} · image {image}"
    _header(canvas, draw, plan, words=(heading, _facts(activations, len(channels))), picture=picture)
    for index, channel in enumerate(channels):
        names = (activations.layer, f"channel {channel}")
        _tile(canvas, draw, plan, values=maps[index], index=index, scale=scales[index], names=names)
    words, missing = _words(scales, normalise, limits), not np.isfinite(maps).all()
    _footer(canvas, draw, plan, colour_map=colour_map, words=words, limits=limits, missing=missing)
    return canvas


def _facts(activations: Activations, shown: int) -> str:
    """What the grid shows of which layer, in one line."""
    of = "" if shown == activations.channels else f" of {count(activations.channels)}"
    shape = " × ".join(map(str, activations.spatial_shape))
    return f"{count(shown)}{of} channel{'' if activations.channels == 1 else 's'} · {shape} positions"


def make_plan(
    shape: tuple[int, ...], *, strips: bool, columns: int | None, size: tuple[int, int] | None, head: int
) -> Plan:
    """Choose columns and tile size for (maps, rows, columns) values."""
    n, height, wide = shape
    foot = 64
    if columns is None:
        columns = max(1, math.ceil(n / 40)) if strips else _columns(shape)
    rows = -(-n // columns)
    if size is None:
        room = min(max(1000 / columns - GAP, 84), 240) if not strips else max(900 / columns, 220)
        tile = (round(room), STRIP) if strips else _fit((height, wide), room, room)
        across = columns * (tile[0] + GAP) - GAP
        left = MARGIN
        size = (max(across, 630) + 2 * MARGIN, head + foot + rows * (tile[1] + GAP + LINE) + 8)
    else:
        room = (size[0] - 2 * MARGIN + GAP) / columns - GAP
        tall = (size[1] - head - foot - 8) / rows - GAP - LINE
        if min(room, tall) < 8:
            raise InputError(f"size {size}: too small for {plural(n, 'map')}; leave `size` out or name fewer")
        tile = (int(room), int(min(tall, 64))) if strips else _fit((height, wide), room, tall)
        left = (size[0] - columns * (tile[0] + GAP) + GAP) // 2
    return Plan(columns, rows, tile, size, left, head)


def _columns(shape: tuple[int, ...]) -> int:
    """Columns that make the whole near-square: 4 for sixteen square maps."""
    n, height, wide = shape
    return min(n, max(1, math.ceil(math.sqrt(n * height / wide) - 1e-9)))


def _fit(shape: tuple[int, int], wide: float, tall: float) -> tuple[int, int]:
    """(width, height) of a map of this shape in a place, whole pixels to a position where they fit."""
    zoom = min(wide / shape[1], tall / shape[0])
    if zoom >= 1:
        zoom = math.floor(zoom)
    return max(1, round(shape[1] * zoom)), max(1, round(shape[0] * zoom))


def scales_of(
    maps: NDArray[Any], colour_map: str, *, normalise: Literal["map", "layer"], limits: tuple[int, int]
) -> list[Scale]:
    """One scale a map (maps, rows, columns): of its own values, or of all maps together."""
    flat = maps.reshape(len(maps), -1)
    finite = np.isfinite(flat)
    low = np.where(finite, flat, np.inf).min(axis=1)
    high = np.where(finite, flat, -np.inf).max(axis=1)
    if normalise == "layer":
        low, high = np.full(len(maps), low.min()), np.full(len(maps), high.max())
    low, high = np.where(np.isinf(low), 0, low), np.where(np.isinf(high), 0, high)
    if limits == (-1, 1):
        reach = np.maximum(np.abs(low), np.abs(high))
        # A constant map is still no map when its one value is not zero.
        low, high = np.where(low == high, low, -reach), np.where(low == high, high, reach)
    return [Scale(float(a), float(b), colour_map) for a, b in zip(low, high, strict=True)]


def _words(scales: list[Scale], normalise: str, limits: tuple[int, int]) -> str:
    """What the colour bar's ends mean, in one line."""
    span = "−1 to 1 around zero" if limits == (-1, 1) else "0 to 1"
    if normalise == "map":
        how = "by its largest magnitude" if limits == (-1, 1) else "by its own minimum and maximum"
        return f"each map scaled to {span} {how}"
    return f"all maps scaled to {span} together: {number(scales[0].low)} to {number(scales[0].high)}"


def _tile(
    canvas: Image.Image,
    draw: ImageDraw.ImageDraw,
    plan: Plan,
    *,
    values: NDArray[Any],
    index: int,
    scale: Scale,
    names: tuple[str, str],
) -> None:
    """Draw one map with its title above it."""
    from PIL import Image

    x, y = plan.corner(index)
    finite = values[np.isfinite(values)]
    constant = finite.size > 0 and finite.min() == finite.max()
    if scale.constant or constant:
        # Flat colour would read as a value; grey reads as "nothing to see".
        tile = np.full((plan.tile[1], plan.tile[0], 3), THEME.panel, np.uint8)
        if finite.size < values.size:
            tile = drawn(np.where(np.isfinite(values), 0.0, np.nan), _GREY, THEME, size=plan.tile)
    else:
        tile = drawn(values, scale, THEME, size=plan.tile)
    if finite.size == 0:
        tile = hatched(tile, np.ones(tile.shape[:2], bool), THEME)
    canvas.paste(Image.fromarray(tile), (x, y))
    if constant or finite.size == 0:
        words = f"constant {number(finite[0])}" if constant else "not a number"
        draw.rectangle((x, y, x + plan.tile[0] - 1, y + plan.tile[1] - 1), outline=THEME.rule)
        _stamp(draw, (x + plan.tile[0] / 2, y + plan.tile[1] / 2), words, limit=plan.tile[0] - 4)
    _name(draw, (x, y - 6), names, room=plan.tile[0] + GAP - 4)


_GREY = Scale(0.0, 0.0, "gray")


def _name(draw: ImageDraw.ImageDraw, at: tuple[int, int], names: tuple[str, str], *, room: float) -> None:
    """Write a map's title as long as its tile has room for: in full, the channel, or its number."""
    face = font(12)
    full = f"{names[0]} · {names[1]}"
    choices = [full, names[1], names[1].replace("channel ", "ch "), names[1].removeprefix("channel ")]
    line = next((text for text in choices if width(text, face) <= room), choices[-1])
    write(draw, at, line, face=face, fill=THEME.text)


def _stamp(draw: ImageDraw.ImageDraw, centre: tuple[float, float], words: str, *, limit: float) -> None:
    """Write words in the middle of a tile on a plate that keeps them readable."""
    face = font(12 if width(words, font(12)) <= limit else 9)
    half = min(width(words, face), limit) / 2 + 4
    x, y = centre
    draw.rounded_rectangle((x - half, y - 10, x + half, y + 10), 4, fill=THEME.panel)
    write(draw, centre, words, face=face, fill=THEME.muted, anchor="mm", limit=limit)


def _header(
    canvas: Image.Image,
    draw: ImageDraw.ImageDraw,
    plan: Plan,
    *,
    words: tuple[str, str],
    picture: NDArray[np.uint8] | None,
) -> None:
    """Write title and facts, and the picture itself before them where there is one."""
    from PIL import Image

    x, top = plan.left, 22
    if picture is not None:
        size = _fit((picture.shape[0], picture.shape[1]), 110, 72)
        shown = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
        canvas.paste(shown, (x, top))
        draw.rectangle((x, top, x + size[0] - 1, top + size[1] - 1), outline=THEME.rule)
        x, top = x + size[0] + 16, top + 12
    room = plan.size[0] - MARGIN - x
    write(draw, (x, top + 20), words[0], face=font(20, "Bold"), fill=THEME.text, limit=room)
    write(draw, (x, top + 43), words[1], face=font(13), fill=THEME.muted, limit=room)


def _footer(
    canvas: Image.Image,
    draw: ImageDraw.ImageDraw,
    plan: Plan,
    *,
    colour_map: str,
    words: str,
    limits: tuple[int, int],
    missing: bool,
) -> None:
    """Draw the colour bar, what its ends mean, and what hatching means when there is any."""
    from PIL import Image

    x, y, wide, face = plan.left, plan.size[1] - 44, 180, font(12)
    bar = np.repeat(table(colour_map)[None], 12, axis=0)
    canvas.paste(Image.fromarray(bar).resize((wide, 12)), (x, y))
    middle = "0" if limits == (-1, 1) else "0.5"
    for part, text, anchor in ((0, str(limits[0]), "lt"), (0.5, middle, "mt"), (1, str(limits[1]), "rt")):
        place = (x + part * wide, y + 16)
        write(draw, place, text.replace("-", "−"), face=face, fill=THEME.muted, anchor=anchor)
    x += wide + 18
    room = plan.size[0] - MARGIN - x
    if missing:
        box = np.zeros((12, 18, 3), np.uint8)
        canvas.paste(Image.fromarray(hatched(box, np.ones((12, 18), bool), THEME)), (x, y + 18))
        write(draw, (x + 24, y + 28), "not a number", face=face, fill=THEME.muted)
    write(draw, (x, y + 10), elide(words, face, room), face=face, fill=THEME.muted)
