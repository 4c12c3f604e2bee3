"""An activation atlas as a sheet: its cells where the map has them, larger where there is more."""

from __future__ import annotations

import numpy as np

from explorer.render.drawing.colours import Theme, categorical
from explorer.render.drawing.colours import theme as theme_named
from explorer.render.drawing.heatmap import resize
from explorer.render.drawing.sheet import Sheet
from explorer.render.drawing.text import font, width
from explorer.render.sheets.atlas import Atlas

MARGIN, HEAD, LEGEND, FRAME, SEAM = 28, 88, 30, 3, 2
ACROSS, LEAST, MOST = 1500, 24, 96
"""Pixels of the map, and of one cell, at least and at most."""
NEVER_LESS = 0.55
"""The side of the emptiest cell's picture, as a part of the fullest one's."""


def atlas_sheet(atlas: Atlas, *, theme: str = "light") -> Sheet:
    """Draw an atlas.

    Args:
        atlas: what `make_atlas` found.
        theme: "light" or "dark".

    Raises:
        InputError: an unknown theme.
    """
    look = theme_named(theme)
    rows, columns = atlas.shape
    side = min(max(ACROSS // max(rows, columns), LEAST), MOST)
    named = bool(atlas.label_names)
    size = 2 * MARGIN + max(columns * side, 900), HEAD + rows * side + MARGIN + (LEGEND if named else 0)
    sheet = Sheet(size, look.page)
    limit = size[0] - 2 * MARGIN
    title = f"{atlas.name} · {atlas.layer} · activation atlas"
    sheet.write((MARGIN, 42), title, size=22, fill=look.text, style="Bold", limit=limit)
    sheet.write((MARGIN, 68), _words(atlas), size=14, fill=look.muted, limit=limit)
    colours = categorical(max(len(atlas.label_names), 1), theme)
    left = MARGIN + (limit - columns * side) // 2
    fullest = np.log1p(atlas.counts.max())
    for number, (row, column) in enumerate(atlas.cells.tolist()):
        share = float(np.log1p(atlas.counts[number]) / fullest)
        length = round((side - SEAM) * max(NEVER_LESS, share))
        corner = left + column * side + (side - length) // 2, HEAD + row * side + (side - length) // 2
        frame = min(FRAME, length // 8)
        if named:
            colour = tuple(int(part) for part in colours[atlas.labels[number]])
            box = (*corner, length, length)
            sheet.plate(box, fill=(colour[0], colour[1], colour[2]))
        inner = length - 2 * frame if named else length
        at = (corner[0] + frame, corner[1] + frame) if named else corner
        picture = atlas.pictures[number]
        how = "lanczos" if picture.shape[1] > inner else "bicubic"
        sheet.paste(at, resize(picture, (inner, inner), how))
    if named:
        _legend(sheet, atlas, look, colours=colours)
    return sheet


def _words(atlas: Atlas) -> str:
    drawn = atlas.n_positions - atlas.n_left_out
    words = (
        f"{atlas.method} of {atlas.n_positions:,} positions · each cell: {atlas.drawn_by} · size: how many "
        f"positions · {len(atlas.cells):,} cells with {drawn:,}"
    )
    if atlas.n_left_out:
        words += f"; {atlas.n_left_out:,} in cells of fewer than {atlas.least} are left out"
    return words


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
        colour = tuple(int(part) for part in colours[number])
        sheet.plate((x, y - 11, 12, 12), fill=(colour[0], colour[1], colour[2]), radius=3)
        sheet.write((x + 18, y), name, size=13, fill=look.text)
        x += wide
