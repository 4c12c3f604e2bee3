"""An activation atlas as a sheet: its cells as the map has them, larger where there is more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.render.drawing.colours import Colour, Theme, categorical
from explorer.render.drawing.colours import theme as theme_named
from explorer.render.drawing.heatmap import resize
from explorer.render.drawing.sheet import Box, Sheet
from explorer.render.drawing.text import count, font, method_name, plural, width
from explorer.render.sheets.atlas import Atlas
from explorer.render.sheets.atlas_places import close_gaps

MARGIN, HEAD, LEGEND, FRAME, SEAM = 28, 106, 34, 0.05, 0.04
"""Pixels; of frames and what is between cells, parts of a cell's side."""
LONG, LEAST, MOST, WIDE = 1500, 24, 120, 900
"""Pixels of the longer side, of one cell, at least and at most, and of a sheet's words."""
NEVER_LESS = 0.7
"""The side of the emptiest cell's picture, as a part of the fullest one's."""


def atlas_sheet(atlas: Atlas, *, theme: str = "light", gaps: bool = False) -> Sheet:
    """Draw an atlas.

    Args:
        atlas: what `make_atlas` found.
        theme: "light" or "dark".
        gaps: leave the empty space between clusters as it is on the map; else it is closed, and that is said.

    Raises:
        InputError: an unknown theme.
    """
    look = theme_named(theme)
    places, (rows, columns) = arranged(atlas, gaps=gaps)
    side = min(max(LONG // max(rows, columns), LEAST), MOST)
    wide = max(columns * side, WIDE)
    named = bool(atlas.label_names)
    size = 2 * MARGIN + wide, HEAD + rows * side + MARGIN + (LEGEND if named else 0)
    sheet = Sheet(size, look.page)
    sheet.write((MARGIN, 42), title(atlas), size=22, fill=look.text, style="Bold", limit=wide)
    for y, words in zip((66, 86), facts(atlas, gaps=gaps), strict=True):
        sheet.write((MARGIN, y), words, size=14, fill=look.muted, limit=wide)
    colours = categorical(max(len(atlas.label_names), 1), theme)
    left = MARGIN + (wide - columns * side) // 2
    for number, (box, inner) in enumerate(squares(atlas, places, side, (left, HEAD))):
        if named:
            sheet.plate(box, fill=colour_of(colours, atlas.labels[number]))
        sheet.paste(inner[:2], fitted(atlas.pictures[number], inner[2]))
    if named:
        _legend(sheet, atlas, look, colours=colours)
    return sheet


def title(atlas: Atlas) -> str:
    """What it is of."""
    return f"{atlas.name} · {atlas.layer} · activation atlas"


def arranged(atlas: Atlas, *, gaps: bool) -> tuple[NDArray[np.int64], tuple[int, int]]:
    """Row and column in which each cell is drawn, and how many rows and columns there are."""
    if not gaps:
        return close_gaps(atlas.cells)
    cells = atlas.cells - atlas.cells.min(axis=0)
    rows, columns = (cells.max(axis=0) + 1).tolist()
    return cells, (rows, columns)


def squares(
    atlas: Atlas, places: NDArray[np.int64], side: int, corner: tuple[int, int]
) -> Iterator[tuple[Box, tuple[int, int, int]]]:
    """Where each cell lies: left, top, width and height; and left, top and side of the picture in its frame.

    Args:
        atlas: the atlas.
        places: row and column of each cell.
        side: pixels from one row to the next.
        corner: left and top of the first.
    """
    fullest = np.log1p(atlas.counts.max())
    most = side - max(1, round(SEAM * side))
    frame = max(1, round(FRAME * side)) if atlas.label_names else 0
    for (row, column), held in zip(places.tolist(), atlas.counts, strict=True):
        share = float(np.log1p(held) / fullest)
        length = max(round(most * max(NEVER_LESS, share)), 2 * frame + 1)
        left = corner[0] + column * side + (side - length) // 2
        top = corner[1] + row * side + (side - length) // 2
        yield (left, top, length, length), (left + frame, top + frame, length - 2 * frame)


def fitted(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """The middle square of a picture in this size."""
    tall, wide = picture.shape[:2]
    least = min(tall, wide)
    top, left = (tall - least) // 2, (wide - least) // 2
    middle = np.ascontiguousarray(picture[top : top + least, left : left + least])
    return resize(middle, (side, side), "lanczos" if least > side else "bicubic")


def colour_of(colours: NDArray[Any], label: int) -> Colour:
    """A label's colour."""
    red, green, blue = (int(part) for part in colours[label])
    return red, green, blue


def facts(atlas: Atlas, *, gaps: bool) -> tuple[str, str]:
    """What it is made of and what is left out; and what its cells show."""
    drawn = atlas.n_positions - atlas.n_left_out
    made = f"{method_name(atlas.method)} of {plural(atlas.n_positions, 'position')} · "
    made += f"{plural(len(atlas.cells), 'cell')} with {count(drawn)}"
    if atlas.n_left_out:
        made += f"; {count(atlas.n_left_out)} in cells of fewer than {atlas.least} are left out"
    shown = f"each cell: {atlas.drawn_by} · larger: more positions"
    return made, shown if gaps else f"{shown} · clusters are drawn together"


def _legend(sheet: Sheet, atlas: Atlas, look: Theme, *, colours: np.ndarray) -> None:
    """The labels in their colours along the lower edge, as many as fit; how many more there are."""
    x, y, face = MARGIN, sheet.size[1] - MARGIN // 2 - 8, font(13)
    sheet.write((x, y), "frame: most frequent label", size=13, fill=look.muted)
    x += width("frame: most frequent label", face) + 20
    for number, name in enumerate(atlas.label_names):
        wide = 18 + width(name, face) + 16
        more = f"and {len(atlas.label_names) - number} more"
        if x + wide > sheet.size[0] - MARGIN - width(more, face):
            sheet.write((x, y), more, size=13, fill=look.muted)
            return
        sheet.plate((x, y - 11, 12, 12), fill=colour_of(colours, number), radius=3)
        sheet.write((x + 18, y), name, size=13, fill=look.text)
        x += wide
