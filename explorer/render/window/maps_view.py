"""All maps of the shown picture, laid over the window: a click makes one of them the current channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.render.drawing.colours import Scale, Theme
from explorer.render.drawing.heatmap import drawn, outline, resize
from explorer.render.drawing.layout import Layout, Rect
from explorer.render.drawing.text import count, font, width, write
from explorer.render.linked.scene import Scene
from explorer.render.sheets.grid_plan import Plan, Wish, fit, make_plan
from explorer.render.sheets.grid_source import Source, ordered
from explorer.render.window.overlay import Overlay

if TYPE_CHECKING:
    from PIL import Image

    from explorer.render.window.actions import Actions

MOST = 256
"""Maps of one page; more go on the next."""
HEAD, FOOT = 58, 8
ORDERS = {
    "index": "by number",
    "variance": "by variance over the data set",
    "response": "by how far they answer to this image above others",
    "cluster": "look-alikes together",
}


class MapsView(Overlay):
    """The maps of a scene's picture, page by page.

    Attributes:
        order: one of `ORDERS`.
        page: which page is shown, from 0.
        found: the channels on the last picture and where their maps lie.
    """

    def __init__(self, scene: Scene, order: str = "index") -> None:
        self._scene = scene
        self.order = order
        self.page = 0
        self.found: tuple[tuple[int, Rect], ...] = ()
        self._source: tuple[Any, Source] | None = None
        self._channels: tuple[Any, list[int]] | None = None
        self._drawn: tuple[Any, Image.Image] | None = None

    def channels(self) -> list[int]:
        """The layer's channels in order."""
        state = self._scene.state
        key = state.projection.layer, state.image if self.order == "response" else None
        if self._channels is None or self._channels[0] != key:
            source = self._of()
            every = list(range(source.channels))
            self._channels = key, ordered(source, every, self.order, state.image)
        return self._channels[1]

    def _of(self) -> Source:
        state = self._scene.state
        cut = state.cut if len(state.values.spatial) == 3 else None
        key = state.values.layer, cut
        if self._source is None or self._source[0] != key:
            run: Any = state.run
            self._source = key, Source(run, state.values.layer, None, cut=cut)
        return self._source[1]

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return -(-self._scene.state.values.channels // MOST)

    def turn(self, step: int) -> bool:
        """Go to another page; says whether there is one."""
        before, self.page = self.page, min(max(self.page + step, 0), self.pages - 1)
        return before != self.page

    def at(self, x: float, y: float) -> int | None:
        """The channel whose map lies under a pixel of the last picture."""
        return next((channel for channel, place in self.found if place.contains(x, y)), None)

    def click(self, controls: Actions, at: tuple[float, float], *, more: bool) -> None:
        """Take the channel under a pixel."""
        del more
        channel = self.at(*at)
        if channel is not None:
            self._scene.channel, controls.maps = channel, None

    def draw(self, canvas: Image.Image, layout: Layout, theme: Theme) -> None:
        """Draw them over everything below the buttons."""
        state = self._scene.state
        top = (layout.bar or layout.header).bottom + layout.px(6)
        area = Rect(0, top, layout.size[0], layout.size[1] - top)
        self.page = min(self.page, self.pages - 1)
        shown = (state.values.layer, state.image, state.cut, self._scene.channel)
        key = (area, theme.name, self.page, *shown)
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = key, self._picture(area, layout, theme)
        canvas.paste(self._drawn[1], (area.left, area.top))

    def _picture(self, area: Rect, layout: Layout, theme: Theme) -> Image.Image:
        from PIL import Image, ImageDraw

        sheet = Image.new("RGB", (area.width, area.height), theme.page)
        draw = ImageDraw.Draw(sheet)
        channels = self.channels()[self.page * MOST : (self.page + 1) * MOST]
        self._heading(sheet, layout, theme, len(channels))
        if not self._scene.state.values.spatial:
            return self._nothing(
                sheet, layout, theme, "this layer has one vector a picture: there are no maps"
            )
        values = np.asarray(self._of().drawn(self._scene.image)[..., channels])
        planes = np.moveaxis(values[None] if values.ndim == 2 else values, -1, 0)
        plan = self._plan(planes.shape, area, layout)
        if plan is None:
            words = f"no room for {count(len(channels))} maps: make the window larger"
            return self._nothing(sheet, layout, theme, words)
        face, places = font(layout.px(11)), []
        for index, (channel, plane) in enumerate(zip(channels, planes, strict=True)):
            place = Rect(*plan.corner(index), *plan.tile)
            sheet.paste(Image.fromarray(_tile(plane, plan.tile, theme)), (place.left, place.top))
            name = f"channel {channel}"
            if width(name, face) > place.width:
                name = str(channel)
            at = (place.left, place.top - 6)
            if plan.names_before:
                at = (layout.px(28), place.top + place.height // 2 + 4)
            current = channel == self._scene.channel
            write(draw, at, name, face=face, fill=theme.accent if current else theme.muted)
            if current:
                box = (place.left, place.top, place.right, place.bottom)
                outline(draw, box, theme, thick=layout.px(2))
            places.append((channel, Rect(place.left, place.top + area.top, place.width, place.height)))
        self.found = tuple(places)
        return sheet

    def _nothing(self, sheet: Image.Image, layout: Layout, theme: Theme, words: str) -> Image.Image:
        """Say why there are no maps."""
        from PIL import ImageDraw

        at, face = (layout.px(28), layout.px(90)), font(layout.px(13))
        write(ImageDraw.Draw(sheet), at, words, face=face, fill=theme.muted)
        self.found = ()
        return sheet

    def _heading(self, sheet: Image.Image, layout: Layout, theme: Theme, n: int) -> None:
        """The picture, and what is shown of it."""
        from PIL import Image, ImageDraw

        draw, state = ImageDraw.Draw(sheet), self._scene.state
        title = f"{state.values.layer} · {state.run.image_names[state.image]}"
        left, room = layout.px(28), layout.size[0] - layout.px(56)
        picture = state.run.picture(state.image)
        if picture is not None:
            wide, tall = fit((picture.shape[0], picture.shape[1]), layout.px(72), layout.px(42), whole=False)
            small = resize(np.ascontiguousarray(picture), (wide, tall), "bicubic")
            sheet.paste(Image.fromarray(small), (left, layout.px(6)))
            left, room = left + wide + layout.px(12), room - wide - layout.px(12)
        at = (left, layout.px(22))
        write(draw, at, title, face=font(layout.px(16), "Bold"), fill=theme.text, limit=room)
        facts = f"{count(n)} maps {ORDERS[self.order]}"
        if self.pages > 1:
            first, every = self.page * MOST, count(state.values.channels)
            facts = f"maps {count(first + 1)} to {count(first + n)} of {every}, {ORDERS[self.order]}"
            facts += " · wheel: more"
        if len(state.values.spatial) == 3:
            facts += f" · slice {state.cut} of 0 to {state.values.spatial[0] - 1}"
        facts += " · each from its least to its most · click: current channel · f, Esc: back"
        write(draw, (left, layout.px(44)), facts, face=font(layout.px(12)), fill=theme.muted, limit=room)

    def _plan(self, shape: tuple[int, ...], area: Rect, layout: Layout) -> Plan | None:
        """Where the maps lie; None where there is no room for them."""
        size = (shape[1], shape[2])
        head, foot = layout.px(HEAD), layout.px(FOOT)
        wish = Wish(shape[0], size, strips=shape[1] == 1, head=head, foot=foot)
        try:
            return make_plan(wish, size=(area.width, area.height))
        except InputError:
            return None


def _tile(plane: NDArray[Any], size: tuple[int, int], theme: Theme) -> NDArray[np.uint8]:
    """A map as a picture; plain where it is constant, hatched where it holds no number."""
    numbers = np.asarray(plane, np.float64)
    finite = numbers[np.isfinite(numbers)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if finite.size == numbers.size and low == high:
        return np.broadcast_to(np.asarray(theme.panel, np.uint8), (size[1], size[0], 3)).copy()
    return drawn(numbers, Scale(low, high, "viridis"), theme, size=size)
