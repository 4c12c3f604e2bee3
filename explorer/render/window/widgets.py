"""A small kit of buttons and pop-up lists, drawn with Pillow and asked what lies under a pixel."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.render.drawing.colours import Colour, Theme
from explorer.render.drawing.layout import Layout, Rect, track
from explorer.render.drawing.text import disc, font, rounded, width, write

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

ROW = 25
MOST_ROWS = 18


@dataclass(frozen=True)
class Button:
    """A button of the bar.

    Attributes:
        name: what it is called in code and tests.
        text: what it says.
        lit: whether it is on.
        opens: whether it opens a list.
        gap: whether a wider gap comes before it.
    """

    name: str
    text: str
    lit: bool = False
    opens: bool = False
    gap: bool = False


@dataclass(frozen=True)
class Item:
    """A line of a pop-up list.

    Attributes:
        text: what it says.
        does: what a click on it calls; None for a heading.
        chosen: whether it is marked.
        detail: said less loudly at the right.
        colour: a disc before it.
        stays: whether the list stays open after a click.
        other: what a right click or a click with shift calls; None for nothing.
    """

    text: str
    does: Callable[[], None] | None
    chosen: bool = False
    detail: str = ""
    colour: Colour | None = None
    stays: bool = False
    other: Callable[[], None] | None = None


@dataclass(frozen=True)
class Placed:
    """A button and where it lies."""

    button: Button
    place: Rect


def place_buttons(buttons: tuple[Button, ...], layout: Layout) -> tuple[Placed, ...]:
    """Lay buttons out in the bar; what finds no room is left to the last one, named "more".

    The last of `buttons` is that one: it is there only when it is needed.
    """
    bar = layout.bar
    if bar is None:
        return ()
    most = _laid(buttons[:-1], layout)
    if not most or most[-1].place.right <= bar.right:
        return most
    room = bar.right - _wide(buttons[-1], layout) - layout.px(6)
    kept = tuple(placed for placed in most if placed.place.right <= room)
    left = (kept[-1].place.right if kept else bar.left) + layout.px(6)
    last = Rect(left, bar.top, _wide(buttons[-1], layout), bar.height)
    return (*kept, Placed(buttons[-1], last))


def _laid(buttons: tuple[Button, ...], layout: Layout) -> tuple[Placed, ...]:
    assert layout.bar is not None  # the caller looked
    x, found = layout.bar.left, []
    for button in buttons:
        x += layout.px(14) if button.gap else 0
        wide = _wide(button, layout)
        found.append(Placed(button, Rect(x, layout.bar.top, wide, layout.bar.height)))
        x += wide + layout.px(4)
    return tuple(found)


def _wide(button: Button, layout: Layout) -> int:
    px = layout.px
    words = width(button.text, font(px(12)))
    return min(words, px(150)) + px(18) + (px(13) if button.opens else 0)


def draw_buttons(
    canvas: Image.Image, layout: Layout, theme: Theme, *, placed: tuple[Placed, ...], hot: str, down: str
) -> None:
    """Draw the bar: `hot` is the button under the mouse, `down` the one whose list is open."""
    from PIL import ImageDraw

    draw, px = ImageDraw.Draw(canvas), layout.px
    face = font(px(12))
    for one in placed:
        button, place = one.button, one.place
        strong = button.lit or button.name == down
        fill = theme.text if strong else (theme.rule if button.name == hot else theme.panel)
        ink = theme.page if strong else theme.text
        rounded(canvas, (place.left, place.top, place.width, place.height), px(6), fill=fill)
        middle = place.top + place.height / 2
        room = place.width - px(18) - (px(13) if button.opens else 0)
        write(draw, (place.left + px(9), middle), button.text, face=face, fill=ink, anchor="lm", limit=room)
        if button.opens:
            arrow(draw, (place.right - px(13), middle), px(3.5), ink)


def arrow(draw: ImageDraw.ImageDraw, at: tuple[float, float], half: float, fill: Colour) -> None:
    """A small triangle that points down."""
    x, y = at
    draw.polygon([(x - half, y - half / 2), (x + half, y - half / 2), (x, y + half * 0.8)], fill=fill)


def draw_slider(canvas: Image.Image, layout: Layout, theme: Theme, *, at: int, n: int) -> None:
    """Draw the slider that goes through n slices, its knob at one of them."""
    from PIL import ImageDraw

    place = layout.slider
    if place is None:
        return
    draw, px, middle = ImageDraw.Draw(canvas), layout.px, place.top + place.height / 2
    left, right = track(layout)
    x = left + (right - left) * at / max(1, n - 1)
    face = font(px(12))
    write(draw, (place.left, middle), "Slice", face=face, fill=theme.text, anchor="lm")
    line, done = (left, middle - px(2), right, middle + px(1)), (left, middle - px(2), x, middle + px(1))
    draw.rounded_rectangle(line, px(1), fill=theme.rule)
    draw.rounded_rectangle(done, px(1), fill=theme.muted)
    disc(canvas, (x, middle), px(8), colour=theme.page)
    disc(canvas, (x, middle), px(7), colour=theme.accent)
    words = f"{at} of 0 to {n - 1}"
    write(draw, (place.right, middle), words, face=face, fill=theme.muted, anchor="rm", limit=px(84))


@dataclass
class Popup:
    """An open list below a button.

    Attributes:
        name: the button's name.
        items: its lines.
        anchor: the button's place.
        first: the first line that is seen.
        search: gives the lines for what was typed; None where nothing can be typed.
        hint: what is written where nothing was typed yet.
        query: what was typed.
    """

    name: str
    items: tuple[Item, ...]
    anchor: Rect
    first: int = 0
    search: Callable[[str], list[Item]] | None = None
    hint: str = ""
    query: str = ""

    def rows(self, layout: Layout) -> int:
        """How many lines are seen at once."""
        room = layout.size[1] - self.anchor.bottom - layout.px(24) - self._head(layout)
        return max(1, min(len(self.items), MOST_ROWS, room // layout.px(ROW)))

    def _head(self, layout: Layout) -> int:
        return layout.px(32) if self.search is not None else 0

    def place(self, layout: Layout) -> Rect:
        """Where the list lies."""
        px, face = layout.px, font(layout.px(12))
        words = max((width(item.text, face) for item in self.items), default=0)
        details = max((width(item.detail, face) for item in self.items), default=0)
        wide = min(max(px(170), words + details + px(70)), px(460), layout.size[0] - px(8))
        tall = self.rows(layout) * px(ROW) + px(12) + self._head(layout)
        left = max(px(4), min(self.anchor.left, layout.size[0] - wide - px(4)))
        return Rect(left, self.anchor.bottom + px(4), wide, tall)

    def item(self, layout: Layout, x: float, y: float) -> Item | None:
        """The line under a pixel."""
        place = self.place(layout)
        if not place.contains(x, y):
            return None
        row = (y - place.top - layout.px(6) - self._head(layout)) / layout.px(ROW)
        index = self.first + math.floor(row)
        inside = 0 <= row < self.rows(layout) and 0 <= index < len(self.items)
        return self.items[index] if inside else None

    def scroll(self, layout: Layout, lines: int) -> None:
        """Show lines farther down, or up."""
        self.first = max(0, min(self.first + lines, len(self.items) - self.rows(layout)))

    def draw(self, canvas: Image.Image, layout: Layout, theme: Theme, *, hot: Item | None) -> None:
        """Draw the list."""
        from PIL import ImageDraw

        draw, px, place = ImageDraw.Draw(canvas), layout.px, self.place(layout)
        box = (place.left, place.top, place.width, place.height)
        rounded(canvas, box, px(8), fill=theme.page, outline=theme.muted)
        if self.search is not None:
            words = (self.query or self.hint) + " ▏"
            at = (place.left + px(14), place.top + px(20))
            ink = theme.text if self.query else theme.muted
            write(draw, at, words, face=font(px(12)), fill=ink, anchor="lm", limit=place.width - px(28))
        for row in range(self.rows(layout)):
            index = self.first + row
            if index < len(self.items):
                top = place.top + px(6) + self._head(layout) + row * px(ROW)
                line = Rect(place.left + px(5), top, place.width - px(10), px(ROW))
                self._line(canvas, layout, theme, item=self.items[index], place=line, hot=hot)
        self._bar(draw, layout, theme)

    def _line(
        self, canvas: Image.Image, layout: Layout, theme: Theme, *, item: Item, place: Rect, hot: Item | None
    ) -> None:
        from PIL import ImageDraw

        draw, px = ImageDraw.Draw(canvas), layout.px
        middle = place.top + place.height / 2
        heading = item.does is None
        if item is hot and not heading:
            rounded(canvas, (place.left, place.top, place.width, place.height), px(5), fill=theme.rule)
        x = place.left + px(10)
        if item.chosen:
            disc(canvas, (x, middle), 3.2 * layout.scale, colour=theme.accent)
        x += px(12)
        if item.colour is not None:
            disc(canvas, (x + px(5), middle), px(5), colour=item.colour)
            x += px(18)
        plain = font(px(12), "Bold" if heading else "")
        room = place.right - px(8) - x
        taken = min(width(item.detail, font(px(11))), room // 2) if item.detail else 0
        ink = theme.muted if heading else theme.text
        write(
            draw,
            (x, middle),
            item.text,
            face=plain,
            fill=ink,
            anchor="lm",
            limit=room - taken - (px(10) if taken else 0),
        )
        if item.detail:
            at = (place.right - px(8), middle)
            face = font(px(11))
            write(draw, at, item.detail, face=face, fill=theme.muted, anchor="rm", limit=taken)

    def _bar(self, draw: ImageDraw.ImageDraw, layout: Layout, theme: Theme) -> None:
        """How far down the list is, where it does not fit."""
        rows, px, place = self.rows(layout), layout.px, self.place(layout)
        if rows >= len(self.items):
            return
        top, tall = place.top + px(6) + self._head(layout), rows * px(ROW)
        first, last = (tall * part / len(self.items) for part in (self.first, self.first + rows))
        edge = (place.right - px(5), top + first, place.right - px(3), top + last)
        draw.rounded_rectangle(edge, px(1), fill=theme.muted)
