"""Maximised pictures as a sheet: each over the real pictures that come nearest to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.render.drawing.colours import Theme
from explorer.render.drawing.colours import theme as theme_named
from explorer.render.drawing.heatmap import resize
from explorer.render.drawing.sheet import Sheet
from explorer.render.sheets.strongest import fitted

if TYPE_CHECKING:
    from explorer.explain.maximised import Maximised

MARGIN, GAP, SEAM, HEAD, TITLE = 28, 18, 4, 88, 40
WIDTH, LEAST, MOST = 1600, 150, 480
"""Pixels of a sheet, and of a picture at least and at most, across."""
TALLEST = 16_000
"""Pixels of a sheet down at most: more objectives than fit are an error that says how many do."""


@dataclass(frozen=True)
class _Tile:
    """Sizes of one objective's part of a sheet.

    Attributes:
        picture: width and height of a maximised picture.
        variants: how many stand side by side.
        crop: side of a real crop; 0 where there are none.
        n_real: how many of them.
    """

    picture: tuple[int, int]
    variants: int
    crop: int
    n_real: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, title included."""
        across = self.variants * (self.picture[0] + SEAM) - SEAM
        return across, TITLE + self.picture[1] + (SEAM + self.crop if self.crop else 0)


def maximised_sheet(found: Maximised, *, columns: int | None = None, theme: str = "light") -> Sheet:
    """Draw each objective's pictures, with the real pictures it is highest for under them.

    Args:
        found: what `explorer.maximize` made.
        columns: objectives in a row; None for as many as fill the width.
        theme: "light" or "dark".

    Raises:
        InputError: an unknown theme, or more objectives than fit on a sheet.
    """
    look = theme_named(theme)
    count = len(found.names)
    tile, columns = _layout(found, columns)
    rows = math.ceil(count / columns)
    wide = 2 * MARGIN + columns * (tile.size[0] + GAP) - GAP
    tall = HEAD + rows * (tile.size[1] + GAP) + MARGIN // 2
    if tall > TALLEST:
        fits = (TALLEST - HEAD) // (tile.size[1] + GAP) * columns
        raise InputError(f"{count} objectives: a sheet has room for {fits}; ask for fewer, or more columns")
    sheet = Sheet((max(wide, 720), tall), look.page)
    _heading(sheet, found, look)
    shown = found.shown()
    for number in range(count):
        row, column = divmod(number, columns)
        at = (MARGIN + column * (tile.size[0] + GAP), HEAD + row * (tile.size[1] + GAP))
        _draw_tile(sheet, found, (number, shown[number]), at=at, tile=tile, look=look)
    return sheet


def _layout(found: Maximised, columns: int | None) -> tuple[_Tile, int]:
    """Tiles as large as fill the width, and how many stand in a row."""
    count, variants = found.pictures.shape[:2]
    aspect = found.pictures.shape[2] / found.pictures.shape[3]
    n_real = 0 if found.real is None else found.real.values.shape[1]
    if columns is None:
        least = variants * (LEAST + SEAM) - SEAM
        columns = min(count, max(1, (WIDTH - 2 * MARGIN + GAP) // (least + GAP)))
        columns = math.ceil(count / math.ceil(count / columns))  # no nearly empty last row
    room = (WIDTH - 2 * MARGIN + GAP) / columns - GAP
    across = round(min(max((room + SEAM) / variants - SEAM, 64), MOST))
    picture = (across, max(1, round(across * aspect)))
    whole = variants * (across + SEAM) - SEAM
    crop = (whole - (n_real - 1) * SEAM) // n_real if n_real else 0
    return _Tile(picture, variants, crop, n_real), columns


def _heading(sheet: Sheet, found: Maximised, look: Theme) -> None:
    settings, limit = found.settings, sheet.size[0] - 2 * MARGIN
    title = f"{found.model} · {found.layer} · what it answers to most"
    words = [f"gradient ascent, {settings['steps']} steps", f"{settings['parametrisation']} parametrisation"]
    if found.finished < len(found.names) and np.isfinite(found.reached).any():
        words.insert(0, f"stopped: {found.finished} of {len(found.names)} climbed to the end")
    if found.real is not None:
        height, width = found.real.pictures.shape[2:4]
        whole = (found.real.boxes == np.array([[0, height], [0, width]])).all()
        cropped = "" if whole else ", cut to what their strongest position sees"
        words.append(f"below each: the strongest of {found.real.n_images:,} real pictures{cropped}")
    sheet.write((MARGIN, 42), title, size=22, fill=look.text, style="Bold", limit=limit)
    sheet.write((MARGIN, 68), " · ".join(words), size=14, fill=look.muted, limit=limit)


def _draw_tile(
    sheet: Sheet,
    found: Maximised,
    what: tuple[int, NDArray[np.uint8]],
    *,
    at: tuple[int, int],
    tile: _Tile,
    look: Theme,
) -> None:
    """One objective: its name, its pictures, and the real crops."""
    (number, pictures), (left, top) = what, at
    best = found.reached[number].max()
    reached = f"reached {best:.3g}" if np.isfinite(best) else "climbing"
    if found.real is not None:
        reached += f" · real {found.real.values[number, 0]:.3g}"
    limit = tile.size[0]
    sheet.write((left, top + 14), found.names[number], size=14, fill=look.text, style="Bold", limit=limit)
    sheet.write((left, top + 32), reached, size=12, fill=look.muted, limit=limit)
    down = top + TITLE
    for place, picture in enumerate(pictures):
        shrinks = picture.shape[1] > tile.picture[0]
        scaled = resize(picture, tile.picture, "lanczos" if shrinks else "bicubic")
        sheet.paste((left + place * (tile.picture[0] + SEAM), down), scaled)
    for place in range(tile.n_real):
        spot = (left + place * (tile.crop + SEAM), down + tile.picture[1] + SEAM)
        sheet.paste(spot, fitted(_crop(found, number, place), (tile.crop, tile.crop), look.panel))


def _crop(found: Maximised, number: int, place: int) -> NDArray[np.uint8]:
    """What the strongest position of a real picture sees."""
    assert found.real is not None
    (top, bottom), (left, right) = found.real.boxes[number, place]
    return found.real.pictures[number, place, top:bottom, left:right]
