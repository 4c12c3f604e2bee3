"""The page: everything but the cloud's points, composed as one picture with Pillow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.render.drawing.colours import Theme
from explorer.render.drawing.heatmap import (
    drawn,
    heatmap,
    outline,
    outline_field,
    outline_mask,
    overlay,
    resize,
)
from explorer.render.drawing.layout import Layout, Rect, Shown
from explorer.render.drawing.shapes import Box, Cells, Raster, Shape, drawing_of
from explorer.render.drawing.signals import draw_curve
from explorer.render.drawing.text import font, width, write
from explorer.render.linked import legend as legends
from explorer.render.linked.colouring import Legend
from explorer.render.linked.info_box import draw_info
from explorer.render.linked.panels import Panel
from explorer.render.linked.strip_drawing import draw_strips
from explorer.render.linked.strips import Strip
from explorer.render.linked.words import Header, Info

if TYPE_CHECKING:
    from PIL import Image, ImageDraw


MOST_CELLS = 20_000  # that a drawing has as shapes


@dataclass(frozen=True)
class Content:
    """All that a page says.

    Attributes:
        header: title and facts.
        panels: the heatmaps, as many as the layout has places for.
        legend: what the points' colours mean.
        info: the selected position.
        cell: (row, column) to outline in the heatmaps, or None.
        mask: (rows, columns) of the heatmaps that are selected, or None.
        field: what of the input the position looked at depends on: left, top, right and bottom from 0 to 1.
        strips: small pictures in the strip.
    """

    header: Header
    panels: tuple[Panel, ...]
    legend: Legend
    info: Info
    cell: tuple[int, int] | None
    mask: NDArray[np.bool_] | None = None
    field: tuple[float, float, float, float] | None = None
    strips: tuple[Strip, ...] = ()


@dataclass(frozen=True)
class Page:
    """A composed page.

    Attributes:
        canvas: (height, width, 3) uint8, the cloud's place left in the page's colour.
        layout: where everything lies.
        shown: the four pictures, for clicks.
        links: the strip's small pictures, and where a click on each leads.
        entries: the legend's classes, for clicks.
    """

    canvas: NDArray[np.uint8]
    layout: Layout
    shown: tuple[Shown, ...]
    links: tuple[tuple[Rect, tuple[int, ...]], ...] = ()
    entries: tuple[legends.Entry, ...] = ()

    def link(self, x: float, y: float) -> tuple[int, ...] | None:
        """(image, *position) or (image,) that a small picture under a pixel leads to."""
        return next((at for place, at in self.links if place.contains(x, y)), None)

    def entry(self, x: float, y: float) -> str | None:
        """The legend's class under a pixel."""
        return next((entry.name for entry in self.entries if entry.place.contains(x, y)), None)

    def cell(self, x: float, y: float) -> tuple[int, int] | None:
        """Row and column of the layer's grid under a pixel, when it lies on one of the pictures."""
        cells = (picture.cell(x, y) for picture in self.shown)
        return next((cell for cell in cells if cell is not None), None)


def compose(content: Content, layout: Layout, theme: Theme) -> Page:
    """Draw a page."""
    from PIL import Image

    canvas = Image.new("RGB", layout.size, theme.page)
    return replace(draw_page(canvas, layout, theme, content=content), canvas=np.array(canvas))


def draw_page(canvas: Image.Image, layout: Layout, theme: Theme, *, content: Content) -> Page:
    """Draw everything but the points on a canvas, a picture's or a `Drawing`; `Page.canvas` stays empty."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(canvas)
    _header(draw, layout, theme, header=content.header)
    shown = tuple(
        _panel(canvas, layout, theme, panel=panel, square=square)
        for panel, square in zip(content.panels, layout.panels, strict=True)
    )
    for picture in shown:
        if picture.cells is None:
            continue
        if content.mask is not None and content.mask.any():
            outline_mask(canvas, picture.place, content.mask, theme, thick=layout.px(2))
        if content.cell is not None:
            outline(draw, picture.box(*content.cell), theme, thick=layout.px(2))
    if content.field is not None and content.panels:
        # Over the picture; where there is none over the first map, which covers the same.
        first = content.panels[0]
        index = 1 if first.note or first.level is not None else 0
        if not content.panels[index].note:
            outline_field(draw, shown[index].place, content.field, theme, thick=layout.px(2))
    entries = legends.draw_legend(canvas, layout, theme, legend=content.legend)
    links: tuple[tuple[Rect, tuple[int, ...]], ...] = ()
    if layout.strip is not None and content.strips:
        links = draw_strips(canvas, layout, theme, strips=content.strips)
    if layout.info is not None:
        draw_info(canvas, layout, theme, info=content.info, place=layout.info)
    return Page(np.zeros((0, 0, 3), np.uint8), layout, shown, links, entries)


def _header(draw: ImageDraw.ImageDraw, layout: Layout, theme: Theme, *, header: Header) -> None:
    """Write the title and the line of facts."""
    place = layout.header
    title, plain = font(layout.px(23), "Bold"), font(layout.px(13))
    write(draw, (place.left, layout.px(44)), header.title, face=title, fill=theme.text, limit=place.width)
    at = (place.left, layout.px(67))
    write(draw, at, header.facts, face=plain, fill=theme.muted, limit=place.width)


def _panel(canvas: Image.Image, layout: Layout, theme: Theme, *, panel: Panel, square: Rect) -> Shown:
    """Draw one picture with caption and colour bar; say where it came to lie."""
    from PIL import Image, ImageDraw

    draw = ImageDraw.Draw(canvas)
    _caption(draw, layout, theme, panel=panel, square=square)
    if panel.note:
        _note(draw, layout, theme, words=panel.note, square=square)
        return Shown(square, None)
    place = _fit(panel, square)
    if panel.curve and panel.values is not None and panel.scale is not None:
        draw_curve(canvas, layout, theme, values=panel.values[0], scale=panel.scale, place=place)
        _below(canvas, layout, theme, panel=panel, square=square)
        return Shown(place, panel.cells)
    if place != square:
        edge = (square.left, square.top, square.right - 1, square.bottom - 1)
        draw.rectangle(edge, fill=theme.panel)
    drawing = drawing_of(canvas)
    if drawing is not None:
        drawing.shapes.append(_sharp(panel, place, theme))
    else:
        picture = _picture(panel, (place.width, place.height), theme)
        canvas.paste(Image.fromarray(picture), (place.left, place.top))
    if panel.level is not None:
        y, thick = place.top + panel.level * place.height, layout.px(1)
        draw.rectangle((place.left, y - 2 * thick, place.right - 1, y + 2 * thick), fill=(10, 12, 14))
        draw.rectangle((place.left, y - thick, place.right - 1, y + thick), fill=theme.accent)
    _below(canvas, layout, theme, panel=panel, square=square)
    return Shown(place, panel.cells)


def _below(canvas: Image.Image, layout: Layout, theme: Theme, *, panel: Panel, square: Rect) -> None:
    """The colour bar or the named colours below a picture."""
    below = Rect(square.left, square.bottom + layout.px(7), square.width, layout.px(30))
    if panel.scale is not None:
        legends.bar(canvas, layout, theme, scale=panel.scale, place=below)
    elif panel.swatches:
        legends.swatch_line(canvas, layout, theme, swatches=panel.swatches, place=below)


def _caption(draw: ImageDraw.ImageDraw, layout: Layout, theme: Theme, *, panel: Panel, square: Rect) -> None:
    """Write what a picture is above it: the title at the left, details at the right."""
    strong, plain = font(layout.px(13), "Bold"), font(layout.px(12))
    base = square.top - layout.px(8)
    gap = layout.px(10)
    # The title comes first; details take what is left, or go.
    wide = square.width
    if width(panel.title, strong) + (width(panel.detail, plain) + gap if panel.detail else 0) > wide:
        wide = layout.caption  # the column beside the picture
    taken = min(width(panel.title, strong), wide)
    room = wide - taken - gap
    if panel.detail and room < min(width(panel.detail, plain), layout.px(40)):
        taken = wide - gap - min(width(panel.detail, plain), wide // 2)
        room = wide - taken - gap
    fits = panel.detail and (room >= width(panel.detail, plain) or room > layout.px(60))
    title_room = wide - (min(room, width(panel.detail, plain)) + gap if fits else 0)
    write(draw, (square.left, base), panel.title, face=strong, fill=theme.text, limit=title_room)
    if fits:
        write(
            draw,
            (square.left + wide, base),
            panel.detail,
            face=plain,
            fill=theme.muted,
            anchor="rs",
            limit=room,
        )


def _note(draw: ImageDraw.ImageDraw, layout: Layout, theme: Theme, *, words: str, square: Rect) -> None:
    """Fill a picture's place with words."""
    face = font(layout.px(12))
    edge = (square.left, square.top, square.right - 1, square.bottom - 1)
    draw.rectangle(edge, fill=theme.panel, outline=theme.rule)
    lines, room = [""], square.width - layout.px(32)
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if width(longer, face) <= room or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    lines = lines[: max(1, square.height // layout.px(18) - 1)]
    step = layout.px(18)
    y = square.top + square.height / 2 - step * (len(lines) - 1) / 2
    for line in lines:
        at = (square.left + square.width / 2, y)
        write(draw, at, line, face=face, fill=theme.muted, anchor="mm", limit=room)
        y += step


def _fit(panel: Panel, square: Rect) -> Rect:
    """The largest place of the picture's shape inside a square; signals fill it."""
    source = panel.under if panel.under is not None else panel.colours
    source = panel.values if source is None else source
    assert source is not None
    if panel.cells is not None and panel.cells[0] == 1 < panel.cells[1]:
        return square  # a signal: its length and its height are of different kinds
    tall, wide = source.shape[:2]
    if panel.aspect is not None:
        # A position stands for its share of the picture, whatever shape the grid has.
        tall, wide = 1000, round(1000 * panel.aspect)
    zoom = min(square.width / wide, square.height / tall)
    size = max(1, round(wide * zoom)), max(1, round(tall * zoom))
    left = square.left + (square.width - size[0]) // 2
    return Rect(left, square.top + (square.height - size[1]) // 2, *size)


def _picture(panel: Panel, size: tuple[int, int], theme: Theme) -> NDArray[np.uint8]:
    """The panel's picture at its size in pixels."""
    if panel.colours is not None:
        shrinks = panel.colours.shape[1] > size[0] or panel.colours.shape[0] > size[1]
        return resize(panel.colours, size, "lanczos" if shrinks else "nearest")
    assert panel.values is not None  # a panel without colours has values and their scale
    assert panel.scale is not None
    if panel.scale.constant and np.isfinite(panel.values).all():
        # One colour would read as a value; grey reads as "nothing to see".
        return np.full((size[1], size[0], 3), theme.rule, np.uint8)
    picture = drawn(panel.values, panel.scale, theme, size=size)
    if panel.under is None:
        return picture
    return overlay(resize(panel.under, size, "nearest"), picture)


def _sharp(panel: Panel, place: Rect, theme: Theme) -> Shape:
    """The panel's picture as a shape: a rectangle a cell, else pixels, as many as there are."""
    box = (place.left, place.top, place.width, place.height)
    grid, missing = panel.colours, False
    if grid is None:
        assert panel.values is not None  # as in `_picture`
        assert panel.scale is not None
        missing = not np.isfinite(panel.values).all()
        grid = heatmap(panel.values, panel.scale, theme)
        if panel.scale.constant and not missing:
            return Box(box, theme.rule)
    if panel.under is not None or missing:  # two pictures mixed, or a hatching: twice as fine as on screen
        fine = (2 * place.width, 2 * place.height)
        return Raster(box, _picture(panel, fine, theme))
    if panel.cells == grid.shape[:2] and grid.shape[0] * grid.shape[1] <= MOST_CELLS:
        return Cells(box, grid)
    larger = grid.shape[0] > place.height or grid.shape[1] > place.width
    return Raster(box, grid, smooth=larger)
