"""An atlas laid over the window: a click on a cell selects its positions in the cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.reduce.projection import Projection
from explorer.render.drawing.colours import Theme, categorical
from explorer.render.drawing.heatmap import outline
from explorer.render.drawing.layout import Layout, Rect
from explorer.render.drawing.text import count, font, plural, write
from explorer.render.linked.scene import Scene
from explorer.render.linked.words import method_name
from explorer.render.sheets.atlas import Atlas
from explorer.render.sheets.atlas_sheet import arranged, colour_of, facts, fitted, squares
from explorer.render.window.overlay import Overlay

if TYPE_CHECKING:
    from PIL import Image

    from explorer.render.window.actions import Actions

HEAD, FOOT, EDGE, SIDE, SMALLEST, LARGEST = 74, 48, 14, 236, 34, 160
FEW_LABELS = 5


class AtlasView(Overlay):
    """An atlas of a layer that a scene shows.

    Attributes:
        atlas: what is drawn; it may change as pictures grow.
        projection: the 2D map that it is of.
        order: the line of the list of maps that it is.
        found: where each cell lies on the last picture.
        hot: the cell under the mouse, or None.
    """

    def __init__(self, scene: Scene, projection: Projection, atlas: Atlas, *, order: str) -> None:
        self._scene, self._run = scene, scene.state.run
        self.projection, self.atlas, self.order = projection, atlas, order
        self.found: tuple[Rect, ...] = ()
        self.hot: int | None = None
        self._places = projection.samples.grid_rows()
        self._arranged = arranged(atlas, gaps=False)
        self._drawn: tuple[tuple[object, ...], Image.Image] | None = None

    def holds(self) -> bool:
        """Whether the scene shows its layer, and of a training its epoch."""
        return self._scene.projection.layer == self.atlas.layer and self._scene.state.run is self._run

    def at(self, x: float, y: float) -> int | None:
        """The cell under a pixel of the last picture."""
        return next((number for number, place in enumerate(self.found) if place.contains(x, y)), None)

    def hover(self, x: float, y: float) -> bool:
        """Light up the cell under the mouse."""
        before, self.hot = self.hot, self.at(x, y)
        return before != self.hot

    def click(self, controls: Actions, at: tuple[float, float], *, more: bool) -> None:
        """Select a cell's positions: and show them in the cloud, unless there are to be more."""
        cell = self.at(*at)
        if cell is None:
            return
        state = self._scene.state
        inside = np.isin(state.rows, self._places[self.atlas.of == cell]) & state.shown
        n = len(state.choose(inside, "add" if more else controls.how))
        if not more:
            controls.maps = None
        controls.selected(f"{plural(n, 'position')} selected")

    def draw(self, canvas: Image.Image, layout: Layout, theme: Theme) -> None:
        """Draw it over everything below the buttons, and mark what is selected and under the mouse."""
        from PIL import ImageDraw

        top = (layout.bar or layout.header).bottom + layout.px(6)
        area = Rect(0, top, layout.size[0], layout.size[1] - top)
        key = (area, theme.name, id(self.atlas))
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = key, self._picture(area, layout, theme)
        canvas.paste(self._drawn[1], (area.left, area.top))
        draw, chosen = ImageDraw.Draw(canvas), self._chosen()
        for number, place in enumerate(self.found):
            box = (place.left, place.top, place.right, place.bottom)
            if chosen[number]:
                outline(draw, box, theme, thick=layout.px(2))
            if number == self.hot:
                draw.rectangle(box, outline=theme.text, width=layout.px(2))
        self._card(canvas, layout, theme)

    def _chosen(self) -> NDArray[np.bool_]:
        """Which cells have more than half of their positions selected."""
        inside = self._scene.selection.at(self._places) & (self.atlas.of >= 0)
        held = np.bincount(self.atlas.of[inside], minlength=len(self.atlas.counts))
        return held > self.atlas.counts / 2

    def _picture(self, area: Rect, layout: Layout, theme: Theme) -> Image.Image:
        from PIL import Image

        sheet = Image.new("RGB", (area.width, area.height), theme.page)
        self._heading(sheet, layout, theme)
        places, (rows, columns) = self._arranged
        left, head = layout.px(28) + layout.px(SIDE), layout.px(HEAD)
        room = (area.width - left - layout.px(28), area.height - head - layout.px(FOOT))
        side = max(4, min(room[0] // columns, room[1] // rows, layout.px(LARGEST)))
        corner = left + (room[0] - columns * side) // 2, head + (room[1] - rows * side) // 2
        colours, found = categorical(max(len(self.atlas.label_names), 1), theme.name), []
        for number, (box, inner) in enumerate(squares(self.atlas, places, side, corner)):
            if len(self.atlas.labels):
                fill = colour_of(colours, int(self.atlas.labels[number]))
                sheet.paste(fill, (box[0], box[1], box[0] + box[2], box[1] + box[3]))
            picture = fitted(self.atlas.pictures[number], inner[2])
            sheet.paste(Image.fromarray(picture), inner[:2])
            found.append(Rect(box[0] + area.left, box[1] + area.top, box[2], box[3]))
        self.found = tuple(found)
        self._legend(sheet, layout, theme)
        return sheet

    def _heading(self, sheet: Image.Image, layout: Layout, theme: Theme) -> None:
        """What it is, what is left out, and what can be done."""
        from PIL import ImageDraw

        draw, px, atlas = ImageDraw.Draw(sheet), layout.px, self.atlas
        name = f"{atlas.layer} · atlas of {method_name(atlas.method)} 2D"
        made, shown = facts(atlas, gaps=False)
        room = layout.size[0] - px(56)
        write(draw, (px(28), px(22)), name, face=font(px(16), "Bold"), fill=theme.text, limit=room)
        done = "click: select a cell's positions · shift click: several · Esc: back"
        for y, words in ((44, made), (63, f"{shown} · {done}")):
            write(draw, (px(28), px(y)), words, face=font(px(12)), fill=theme.muted, limit=room)

    def _legend(self, sheet: Image.Image, layout: Layout, theme: Theme) -> None:
        """Whose colours the frames have, along the left lower edge; as many as there is room for."""
        from PIL import ImageDraw

        names, px = self.atlas.label_names, layout.px
        if not names:
            return
        draw, face = ImageDraw.Draw(sheet), font(px(12))
        colours, step = categorical(len(names), theme.name), px(20)
        card = px(HEAD) + px(SIDE) + px(110)
        most = max(1, (sheet.height - px(EDGE) - card) // step - 1)
        lines = list(names[:most]) if len(names) <= most else list(names[: most - 1])
        top = sheet.height - px(EDGE) - (len(lines) + (len(lines) < len(names))) * step
        write(draw, (px(28), top - px(8)), "frame: most frequent label", face=face, fill=theme.muted)
        for number, name in enumerate(lines):
            y = top + number * step
            place = (px(28), y + px(3), px(40), y + px(15))
            draw.rounded_rectangle(place, px(3), fill=colour_of(colours, number))
            at = (px(48), y + px(9))
            write(draw, at, name, face=face, fill=theme.text, anchor="lm", limit=px(SIDE) - px(30))
        if len(lines) < len(names):
            at = (px(28), top + len(lines) * step + px(9))
            more = f"and {count(len(names) - len(lines))} more"
            write(draw, at, more, face=face, fill=theme.muted, anchor="lm")

    def _card(self, canvas: Image.Image, layout: Layout, theme: Theme) -> None:
        """The cell under the mouse, large, with what lies in it, at the left."""
        from PIL import Image, ImageDraw

        px, atlas, draw = layout.px, self.atlas, ImageDraw.Draw(canvas)
        side = px(SIDE) - px(36)
        left, top = px(28), (layout.bar or layout.header).bottom + px(HEAD) + px(10)
        if self.hot is None:
            words, at = "point at a cell to see what lies in it", (left, top + px(14))
            write(draw, at, words, face=font(px(12)), fill=theme.muted, limit=px(SIDE) - px(8))
            return
        canvas.paste(Image.fromarray(fitted(atlas.pictures[self.hot], side)), (left, top))
        for index, line in enumerate(self._lines(self.hot)):
            face = font(px(12), "Bold" if not index else "")
            ink = theme.text if not index else theme.muted
            at = (left, top + side + px(22) + index * px(18))
            write(draw, at, line, face=face, fill=ink, limit=side)

    def _lines(self, number: int) -> list[str]:
        """How many positions a cell has, of how many pictures, and of which labels."""
        run, atlas = self._scene.state.run, self.atlas
        places = self._places[atlas.of == number]
        images = places // int(np.prod(self.projection.grid_shape[1:]))
        found = [plural(len(places), "position"), f"of {plural(len(np.unique(images)), 'image')}"]
        if run.labels is None:
            return found
        names, counts = np.unique(np.array(run.labels)[images], return_counts=True)
        order = np.argsort(-counts, kind="stable")[:FEW_LABELS]
        return found + [f"{names[at]}: {100 * counts[at] / len(places):.0f} %" for at in order]


def rows_that_fit(layout: Layout) -> int:
    """How many rows of cells a window of this size shows well."""
    top = (layout.bar or layout.header).bottom + layout.px(6 + HEAD + FOOT)
    return max(4, (layout.size[1] - top) // layout.px(SMALLEST))
