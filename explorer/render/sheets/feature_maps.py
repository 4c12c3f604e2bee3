"""The feature-map grid: the maps of one layer for one picture or several, side by side and named."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.reduce.channels import ChannelStatistics
from explorer.render.drawing.colours import THEMES, Scale
from explorer.render.drawing.sheet import Box, Sheet
from explorer.render.drawing.text import font, width
from explorer.render.sheets.grid_plan import CLOSE, GUTTER, MARGIN, NAMES, Plan, Wish, fit, make_plan
from explorer.render.sheets.grid_scales import Norm, scales_of
from explorer.render.sheets.grid_source import Finding, Source, because, findings, ordered
from explorer.render.sheets.grid_texts import (
    NOTE_STEP,
    beside_bar,
    draw_footer,
    draw_heading,
    draw_picture,
    heading_lines,
    note_lines,
    wrapped,
)
from explorer.render.sheets.grid_tiles import Look, draw_map
from explorer.render.sheets.strongest import Strongest

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

THEME = THEMES["light"]


@dataclass(frozen=True)
class Map:
    """One map of a grid.

    Attributes:
        image: which picture it answers to.
        channel: which channel it is.
        title: what it is called.
        values: (rows, columns); a signal has one row.
        scale: how its values became colours.
        box: left, top, width and height on the sheet, in pixels.
    """

    image: int
    channel: int
    title: str
    values: NDArray[Any]
    scale: Scale
    box: Box


@dataclass(frozen=True)
class Grid:
    """A finished grid: `save` it, look at its `picture`, or go on from its matplotlib `figure`.

    Attributes:
        sheet: what is drawn where.
        maps: the maps in reading order.
        columns: how many stand in a row.
        findings: dead and duplicate channels, and how they were told.
        statistics: of the layer's channels over the data set, where they were needed.
    """

    sheet: Sheet
    maps: tuple[Map, ...]
    columns: int
    findings: tuple[Finding, ...]
    statistics: ChannelStatistics | None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.sheet.size

    def picture(self) -> Image.Image:
        """The grid as a Pillow image."""
        return self.sheet.picture()

    def save(self, path: str | Path) -> Path:
        """Write .png, .jpg, .svg or .pdf; text stays text in the last two.

        Raises:
            InputError: another suffix.
            RenderError: the file cannot be written.
        """
        return self.sheet.save(path)

    def figure(self) -> Figure:
        """A matplotlib figure with one titled axes a map, holding its values, to go on from."""
        from explorer.render.sheets.grid_figure import figure_of

        return figure_of(self.maps, self.columns)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.picture(), dtype)

    def _repr_png_(self) -> bytes:
        from io import BytesIO

        file = BytesIO()
        self.picture().save(file, "PNG")
        return file.getvalue()


@dataclass(frozen=True)
class Request:
    """What `explorer.render.grid` was asked for, checked.

    Attributes:
        images: which pictures.
        channels: which channels.
        columns: maps in a row, None to choose.
        norm: how maps are scaled.
        look: filter and overlay.
        order: which channel comes first.
        strongest: the data set's strongest pictures beside each map, or None.
        title: the heading, or None.
        size: of the sheet, None to choose.
    """

    images: tuple[int, ...]
    channels: list[int]
    columns: int | None
    norm: Norm
    look: Look
    order: str
    strongest: Strongest | None
    title: str | None
    size: tuple[int, int] | None

    @property
    def zoom(self) -> int:
        """Pixels to a unit: letters grow with the sheet."""
        return 1 if self.size is None else max(1, min(self.size[0] // 1600, self.size[1] // 900))


def compose(source: Source, asked: Request, *, told: bool) -> Grid:
    """Lay the grid out; `told` asks for dead and duplicate channels in the heading."""
    channels = ordered(source, asked.channels, asked.order, asked.images[0])
    maps = np.stack([_planes(source.drawn(image)[..., channels]) for image in asked.images])
    pictures = [source.picture(image, place) for place, image in enumerate(asked.images)]
    scales = scales_of(maps, asked.norm, channels, source)
    found = findings(source) if told else ()
    missing = not np.isfinite(maps).all()
    notes = note_lines(source, asked, scales, missing)
    plan, heading, notes = _plan(source, asked, maps.shape, pictures, (found, notes))
    sheet = Sheet(asked.size or plan.size, THEME.page, asked.zoom)
    draw_heading(sheet, heading, pictures[0] if len(asked.images) == 1 else None)
    drawn: list[Map] = []
    for block, image in enumerate(asked.images):
        if len(asked.images) > 1:
            draw_picture(sheet, plan.corner(0, block)[1], source.name(image), pictures[block])
        names = _names(plan, channels, because(source, channels, asked.order, image), source.layer)
        for index, channel in enumerate(channels):
            x, y = plan.corner(index, block)
            box = (x, y, *plan.tile)
            title = f"{source.layer} · channel {channel}"
            one = Map(image, channel, title, maps[block, index], scales[block][index], box)
            draw_map(sheet, one.values, one.scale, box, look=asked.look, picture=pictures[block])
            where = (x - NAMES, y + box[3] // 2 + 4) if plan.names_before else (x, y - 6)
            sheet.write(where, names[index], size=12, fill=THEME.text)
            if asked.strongest is not None:
                mosaic = asked.strongest.mosaic(channel, box[3] * sheet.zoom)
                sheet.paste((x + box[2] + CLOSE, y), mosaic)
            drawn.append(one)
    draw_footer(sheet, asked.norm, notes, missing)
    return Grid(sheet, tuple(drawn), plan.columns, found, source.statistics if told else None)


def _names(plan: Plan, channels: list[int], reasons: list[str], layer: str) -> list[str]:
    """Titles, all of one form, as long as there is room for: in full, the channel, or its number."""
    room = NAMES - 8 if plan.names_before else plan.step[0] - 4
    face = font(12)
    ends = [f" · {reason}" for reason in reasons] or [""] * len(channels)
    for form in (f"{layer} · channel ", "channel ", "ch ", ""):
        names = [f"{form}{channel}{end}" for channel, end in zip(channels, ends, strict=True)]
        longest = max(map(len, names))  # figures are equally wide, so a few of the longest tell of all
        some = [name for name in names if len(name) == longest][:8]
        if max(width(name, face) for name in some) <= room:
            return names
    return [str(channel) for channel in channels]


def _planes(values: NDArray[Any]) -> NDArray[Any]:
    """(*spatial, channels) as (channels, rows, columns), a signal as one row."""
    numbers = np.asarray(values, values.dtype if values.dtype.kind == "f" else np.float64)
    planes = numbers[None] if numbers.ndim == 2 else numbers
    return np.moveaxis(planes, -1, 0)


def _plan(
    source: Source,
    asked: Request,
    shape: tuple[int, ...],
    pictures: list[NDArray[np.uint8] | None],
    texts: tuple[tuple[Finding, ...], list[str]],
) -> tuple[Plan, list[str], list[str]]:
    """Where everything lies; and the heading's and the footer's lines, which depend on how wide that is."""
    first, several = pictures[0], len(asked.images) > 1
    over = None if asked.look.overlay is None or first is None else (first.shape[0], first.shape[1])
    wish = Wish(
        shape[1],
        over or (shape[2], shape[3]),
        strips=len(source.spatial) == 1,
        whole=over is None,
        blocks=len(asked.images),
        beside=0.0 if asked.strongest is None else asked.strongest.shape[1] / asked.strongest.shape[0],
        gutter=GUTTER if several else 0,
        head=0,
        foot=0,
    )
    # How wide the sheet is decides how many lines the texts take, and those how tall it is.
    size = None if asked.size is None else (asked.size[0] // asked.zoom, asked.size[1] // asked.zoom)
    across = (size or make_plan(wish, asked.columns).size)[0] - 2 * MARGIN
    shown = None if several or first is None else fit((first.shape[0], first.shape[1]), 110, 72)
    heading = heading_lines(source, asked, texts[0], across - (shown[0] + 16 if shown else 0))
    indent, below = beside_bar(across)
    notes = [line for note in texts[1] for line in wrapped(note, across - indent)]
    head = max(60 + NOTE_STEP * (len(heading) - 1), 108 if shown else 0)
    wish = replace(wish, head=head, foot=46 + below + NOTE_STEP * len(notes))
    return make_plan(wish, asked.columns, size), heading, notes
