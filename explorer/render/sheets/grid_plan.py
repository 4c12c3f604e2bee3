"""Where the maps of a grid lie: columns, sizes and corners, for one picture or several."""

from __future__ import annotations

import math
from dataclasses import dataclass

from explorer.errors import InputError
from explorer.render.drawing.text import plural

MARGIN, GAP, LINE = 28, 10, 20
BETWEEN = 18  # pixels between the maps of one picture and those of the next
GUTTER = 132  # width of the picture beside its maps, where there are several
STRIP, NAMES = 26, 128  # height of a rank-1 map, and width of the names before them
LEAST, MOST = 84, 240  # a map's width in pixels, where no size is asked for
CLOSE = 4  # pixels from a map to the strongest pictures beside it
SQUARE = 16
"""Maps up to which the grid is near-square on any sheet; more are drawn as large as the sheet allows."""


@dataclass(frozen=True)
class Wish:
    """What a grid has to hold.

    Attributes:
        n: maps of one picture.
        shape: (rows, columns) of a map, or of the picture that it is laid over.
        strips: whether maps have one axis alone; their names then stand before them.
        whole: whether a position should be a whole number of pixels.
        blocks: number of pictures.
        beside: width over height of what stands beside each map, 0 for nothing.
        gutter: width kept for the picture beside its maps.
        head: height of the heading.
        foot: height of the colour bar and notes.
    """

    n: int
    shape: tuple[int, int]
    strips: bool = False
    whole: bool = True
    blocks: int = 1
    beside: float = 0.0
    gutter: int = 0
    head: int = 78
    foot: int = 65

    @property
    def above(self) -> int:
        """Height of a map's title over it, with the gap to the map before."""
        return 4 if self.strips else LINE + GAP

    @property
    def before(self) -> int:
        """Width of a map's name before it, with the gap to the map before that."""
        return NAMES + GAP if self.strips else GAP

    def wide(self, tile: tuple[int, int]) -> int:
        """Width of a map with what stands before and beside it."""
        return tile[0] + self.before + (CLOSE + round(tile[1] * self.beside) if self.beside else 0)

    def lines(self, columns: int) -> int:
        """Rows of maps of all pictures."""
        return self.blocks * -(-self.n // columns)

    def rest(self) -> int:
        """Height of all that is no map."""
        return self.head + self.foot + (self.blocks - 1) * BETWEEN + 8


@dataclass(frozen=True)
class Plan:
    """Where everything lies, in pixels.

    Attributes:
        columns: maps in a row.
        rows: rows of maps of one picture.
        tile: (width, height) of one map.
        step: (across, down) from one map to the next.
        size: (width, height) of the sheet.
        corner_of_first: left and top of the first map.
        names_before: whether names stand before maps and not above them.
    """

    columns: int
    rows: int
    tile: tuple[int, int]
    step: tuple[int, int]
    size: tuple[int, int]
    corner_of_first: tuple[int, int]
    names_before: bool

    def corner(self, index: int, block: int = 0) -> tuple[int, int]:
        """Left and top of the map at this place in reading order."""
        row, column = divmod(index, self.columns)
        left, top = self.corner_of_first
        down = (block * self.rows + row) * self.step[1] + block * BETWEEN
        return left + column * self.step[0], top + down


def make_plan(wish: Wish, columns: int | None = None, size: tuple[int, int] | None = None) -> Plan:
    """Choose columns, and the tile's size or that of the sheet.

    Raises:
        InputError: the size asked for has no room for the maps.
    """
    if columns is None:
        columns = _columns(wish) if size is None or _is_few(wish) else _fullest(wish, size)
    columns = min(wish.n, columns)
    if size is None:
        room = _room(wish, columns)
        tile = (round(room), STRIP) if wish.strips else fit(wish.shape, room, room, whole=wish.whole)
        across = columns * wish.wide(tile) - GAP + wish.gutter
        tall = wish.rest() + wish.lines(columns) * (tile[1] + wish.above)
        left, size = MARGIN, (max(across, 630) + 2 * MARGIN, tall)
    else:
        tile = _tile(wish, columns, size)
        if min(tile) < 8:
            raise InputError(
                f"size {size}: too small for {plural(wish.n * wish.blocks, 'map')}; "
                "leave `size` out or name fewer"
            )
        left = (size[0] - wish.gutter - columns * wish.wide(tile) + GAP) // 2
    first = left + wish.gutter + wish.before - GAP, wish.head + wish.above - (0 if wish.strips else GAP)
    step = wish.wide(tile), tile[1] + wish.above
    return Plan(columns, wish.lines(columns) // wish.blocks, tile, step, size, first, wish.strips)


def _is_few(wish: Wish) -> bool:
    return wish.n <= SQUARE and wish.blocks == 1


def _fullest(wish: Wish, size: tuple[int, int]) -> int:
    """The number of columns that makes maps largest."""
    tiles = {columns: _tile(wish, columns, size) for columns in range(1, wish.n + 1)}
    return max(tiles, key=lambda columns: tiles[columns][0] * tiles[columns][1])


def _tile(wish: Wish, columns: int, size: tuple[int, int]) -> tuple[int, int]:
    """The largest map that so many columns have room for on a sheet of this size; (0, 0) for none."""
    room = (size[0] - 2 * MARGIN - wish.gutter + GAP) / columns - wish.before
    room = (room - (CLOSE if wish.beside else 0)) / _share(wish)
    tall = (size[1] - wish.rest()) / wish.lines(columns) - wish.above
    if min(room, tall) < 8:
        return 0, 0
    strip = int(room), int(min(tall, 64))
    return strip if wish.strips else fit(wish.shape, room, tall, whole=wish.whole)


def _share(wish: Wish) -> float:
    """How many times as wide a map is with what stands beside it."""
    return 1 + wish.beside * wish.shape[0] / wish.shape[1]


def _room(wish: Wish, columns: int) -> float:
    """Width of a map where the sheet may grow."""
    if wish.strips:
        return max(900 / columns, 220) - NAMES
    return min(max((1000 / columns - GAP) / _share(wish), LEAST), MOST)


def _columns(wish: Wish) -> int:
    """Columns that make the whole near-square: 4 for sixteen square maps."""
    if wish.strips:
        return max(1, math.ceil(wish.n * wish.blocks / 40))
    aspect = wish.shape[0] / (wish.shape[1] * _share(wish))
    columns = min(wish.n, max(1, math.ceil(math.sqrt(wish.blocks * wish.n * aspect) - 1e-9)))
    if wish.blocks == 1:
        return columns
    # Of several pictures each leaves its own last row unfilled: the columns near by that leave the least.
    near = range(max(1, math.floor(columns * 0.75)), min(wish.n, math.ceil(columns * 1.34)) + 1)
    return min(near, key=lambda c: (-wish.n % c, abs(c - columns)))


def fit(shape: tuple[int, int], wide: float, tall: float, *, whole: bool = True) -> tuple[int, int]:
    """(width, height) of a map in a place; with `whole`, whole pixels to a position where they fit."""
    zoom = min(wide / shape[1], tall / shape[0])
    if whole and zoom >= 1:
        zoom = math.floor(zoom)
    return max(1, round(shape[1] * zoom)), max(1, round(shape[0] * zoom))
