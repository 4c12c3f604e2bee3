"""Where the maps of a grid lie: columns, sizes and corners, for one picture or several."""

from __future__ import annotations

import math
from dataclasses import dataclass

from explorer.errors import InputError
from explorer.render.text import plural

MARGIN, GAP, LINE = 28, 10, 20
BETWEEN = 18  # pixels between the maps of one picture and those of the next
GUTTER = 132  # width of the picture beside its maps, where there are several
STRIP = 26  # height in pixels of a rank-1 map
LEAST, MOST = 84, 240  # a map's width in pixels, where no size is asked for
CLOSE = 4  # pixels from a map to the strongest pictures beside it


@dataclass(frozen=True)
class Wish:
    """What a grid has to hold.

    Attributes:
        n: maps of one picture.
        shape: (rows, columns) of a map, or of the picture that it is laid over.
        strips: whether maps have one axis alone.
        whole: whether a position should be a whole number of pixels.
        blocks: number of pictures.
        beside: whether the strongest pictures stand beside each map.
        gutter: width kept for the picture beside its maps.
        head: height of the heading.
        foot: height of the colour bar and notes.
    """

    n: int
    shape: tuple[int, int]
    strips: bool = False
    whole: bool = True
    blocks: int = 1
    beside: bool = False
    gutter: int = 0
    head: int = 78
    foot: int = 64


@dataclass(frozen=True)
class Plan:
    """Where everything lies, in pixels.

    Attributes:
        columns: maps in a row.
        rows: rows of maps of one picture.
        tile: (width, height) of one map.
        side: width and height of the strongest pictures beside a map, 0 for none.
        size: (width, height) of the sheet.
        left: x of the first map.
        top: y of the first map's title.
    """

    columns: int
    rows: int
    tile: tuple[int, int]
    side: int
    size: tuple[int, int]
    left: int
    top: int

    @property
    def step(self) -> int:
        """Pixels from one map to the next."""
        return self.tile[0] + GAP + (CLOSE + self.side if self.side else 0)

    def block(self, block: int) -> int:
        """Top of a picture's first map."""
        return self.top + LINE + block * (self.rows * (self.tile[1] + GAP + LINE) + BETWEEN)

    def corner(self, index: int, block: int = 0) -> tuple[int, int]:
        """Left and top of the map at this place in reading order."""
        row, column = divmod(index, self.columns)
        return self.left + column * self.step, self.block(block) + row * (self.tile[1] + GAP + LINE)


def make_plan(wish: Wish, columns: int | None = None, size: tuple[int, int] | None = None) -> Plan:
    """Choose columns, and the tile's size or that of the sheet.

    Raises:
        InputError: the size asked for has no room for the maps.
    """
    columns = min(wish.n, columns or _columns(wish))
    rows = -(-wish.n // columns)
    lines = wish.blocks * rows
    rest = wish.head + wish.foot + (wish.blocks - 1) * BETWEEN + 8
    share = 1 + (wish.shape[0] / wish.shape[1] if wish.beside else 0)
    if size is None:
        room = _room(wish, columns, share)
        tile = (round(room), STRIP) if wish.strips else fit(wish.shape, room, room, whole=wish.whole)
        across = columns * (_wide(tile, wish.beside) + GAP) - GAP + wish.gutter
        size = (max(across, 630) + 2 * MARGIN, rest + lines * (tile[1] + GAP + LINE))
        left = MARGIN + wish.gutter
    else:
        room = (size[0] - 2 * MARGIN - wish.gutter + GAP) / columns - GAP
        room = (room - (CLOSE if wish.beside else 0)) / share
        tall = (size[1] - rest) / lines - GAP - LINE
        if min(room, tall) < 8:
            raise InputError(
                f"size {size}: too small for {plural(wish.n * wish.blocks, 'map')}; "
                "leave `size` out or name fewer"
            )
        tile = (
            (int(room), int(min(tall, 64))) if wish.strips else fit(wish.shape, room, tall, whole=wish.whole)
        )
        across = columns * (_wide(tile, wish.beside) + GAP) - GAP
        left = wish.gutter + (size[0] - wish.gutter - across) // 2
    return Plan(columns, rows, tile, tile[1] if wish.beside else 0, size, left, wish.head)


def _room(wish: Wish, columns: int, share: float) -> float:
    """Width of a map where the sheet may grow."""
    if wish.strips:
        return max(900 / columns, 220)
    return min(max((1000 / columns - GAP) / share, LEAST), MOST)


def _wide(tile: tuple[int, int], beside: bool) -> int:
    """Width of a map with what stands beside it."""
    return tile[0] + (CLOSE + tile[1] if beside else 0)


def _columns(wish: Wish) -> int:
    """Columns that make the whole near-square: 4 for sixteen square maps."""
    if wish.strips:
        return max(1, math.ceil(wish.n * wish.blocks / 40))
    height, wide = wish.shape
    wide += height if wish.beside else 0
    return max(1, math.ceil(math.sqrt(wish.blocks * wish.n * height / wide) - 1e-9))


def fit(shape: tuple[int, int], wide: float, tall: float, *, whole: bool = True) -> tuple[int, int]:
    """(width, height) of a map in a place; with `whole`, whole pixels to a position where they fit."""
    zoom = min(wide / shape[1], tall / shape[0])
    if whole and zoom >= 1:
        zoom = math.floor(zoom)
    return max(1, round(shape[1] * zoom)), max(1, round(shape[0] * zoom))
