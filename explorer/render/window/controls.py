"""What mouse, keys and buttons do, whatever window they come from."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from explorer.render.cloud import motion
from explorer.render.drawing.colours import theme
from explorer.render.drawing.text import count
from explorer.render.linked import marks
from explorer.render.linked.colouring import hide, isolate
from explorer.render.linked.scene import Scene
from explorer.render.linked.state import State
from explorer.render.window.actions import Actions
from explorer.render.window.hover import Hover, draw_hover, draw_other, hovered, named_at
from explorer.render.window.menus import SEARCHES, buttons, menu
from explorer.render.window.tools import SAYS, Stroke, begin, draw_stroke, finish
from explorer.render.window.widgets import Item, Placed, Popup, draw_buttons, draw_slider, place_buttons

if TYPE_CHECKING:
    from PIL import Image

OWNERS = {"channel": "colour", "saliency": "maps", "saliency-all": "maps"}  # whose button a list hangs from
STILL = 4.0  # pixels at 1600 × 900 that a click may slip


class Controls(Actions):
    """Mouse, keys and buttons over a scene; what they bring about is in `Actions`.

    Attributes:
        popup: the open list, or None.
        hover: what is under the resting mouse, or None.
    """

    def __init__(self, scene: Scene, size: tuple[int, int]) -> None:
        super().__init__(scene, size)
        self.popup: Popup | None = None
        self.hover: Hover | None = None
        self._hot_button = ""
        self._hot_item: Item | None = None
        self._drag: str | None = None
        self._stroke: Stroke | None = None
        self._from = (0.0, 0.0)
        self._moved = False

    @property
    def moving(self) -> bool:
        """Whether the camera is being dragged, or on its way to another view."""
        return self.flight is not None or (self._drag in ("orbit", "pan", "zoom") and self._moved)

    def placed(self) -> tuple[Placed, ...]:
        """The buttons that have room in the bar, and where they lie."""
        return place_buttons(buttons(self), self.layout)

    def picture(self, *, rough: bool = False) -> Image.Image:
        """The window's picture."""
        canvas = self.scene.frame(self.size, rough=rough, interactive=True)
        layout, colours = self.layout, theme(self.scene.theme)
        if self.maps is not None and not self.maps.holds():
            self.maps = None
        if self.maps is not None:
            self.maps.draw(canvas, layout, colours)
        down = "" if self.popup is None else OWNERS.get(self.popup.name, self.popup.name)
        draw_buttons(canvas, layout, colours, placed=self.placed(), hot=self._hot_button, down=down)
        if layout.slider is not None and self.maps is None:
            n = self.scene.state.values.spatial[0]
            draw_slider(canvas, layout, colours, at=self.scene.slice, n=n)
        if self.hover is not None and not rough and self.popup is None and self._stroke is None:
            where = self.scene.side(*self.hover.mouse)
            draw_hover(canvas, layout, colours, scene=where, hover=self.hover)
            draw_other(canvas, colours, scene=self.scene, where=where, hover=self.hover)
        if self._stroke is not None:
            draw_stroke(canvas, layout, colours, stroke=self._stroke)
        if self.message:
            low = self.maps is not None
            marks.draw_message(canvas, layout, colours, words=self.message, low=low)
        if self.popup is not None:
            self.popup.draw(canvas, layout, colours, hot=self._hot_item)
        if self.helping:
            marks.draw_help(canvas, layout, colours, keys=self.help_lines())
        return canvas

    def help_lines(self) -> list[tuple[str, str]]:
        """What the help lists: keys and what they do."""
        from explorer.render.window.keys import help_lines

        return help_lines()

    def press(self, button: str, x: float, y: float, *, shift: bool = False, control: bool = False) -> None:
        """A mouse button ("left", "middle" or "right") went down at a pixel from the left and top."""
        self._from, self._moved, self._stroke, self.hover = (x, y), False, None, None
        self.flight = None
        if self.popup is not None or any(one.place.contains(x, y) for one in self.placed()):
            self._drag = "button"
            return
        if self.maps is not None:
            self._drag = "none"
            return
        if self.layout.slider is not None and self.layout.slider.contains(x, y):
            self._drag = "slice"
            self.slide(x)
            return
        flat = self.scene.view.parallel_scale is not None
        where = self.scene.side(x, y)
        inside = where.layout.cloud.contains(x, y)
        kinds = {"left": "pan" if shift or flat else "orbit", "middle": "pan", "right": "zoom"}
        self._drag = kinds[button] if inside else "none"
        if button == "left":
            how = "add" if shift else ("remove" if control else self.how)
            stroke = begin(where, self.tool, (x, y), how=how, visible=self.visible)
            if stroke is not None:
                self._stroke, self._drag = stroke, "select"

    def move(self, x: float, y: float) -> bool:
        """The mouse is at a pixel; says whether the picture changes."""
        if self._drag is None:
            return self._hover(x, y)
        layout = self.layout
        if not self._moved and np.hypot(x - self._from[0], y - self._from[1]) < STILL * layout.scale:
            return False
        self._moved = True
        if self._drag == "slice":
            return self.slide(x)
        if self._drag == "select" and self._stroke is not None:
            self._stroke.add(x, y)
            return True
        tall = layout.cloud.height
        dx, dy = (x - self._from[0]) / tall, (y - self._from[1]) / tall
        self._from = (x, y)
        view = self.scene.view
        if self._drag == "orbit":
            self.scene.view = motion.orbit(view, dx, dy)
        elif self._drag == "pan":
            self.scene.view = motion.pan(view, dx, dy)
        elif self._drag == "zoom":
            self.scene.view = motion.zoom(view, float(np.exp(-2 * dy)))
        return self.moving

    def _hover(self, x: float, y: float) -> bool:
        """Light up what is under the mouse; says whether that changed."""
        layout, before = self.layout, (self._hot_button, self._hot_item, self._over)
        self._hot_item = None if self.popup is None else self.popup.item(layout, x, y)
        over = None if self._hot_item is not None else self._button_at(x, y)
        self._hot_button = "" if over is None else over.button.name
        free = self.popup is None and over is None and not self.helping and self.maps is None
        self.hover = hovered(self.scene.side(x, y), x, y) if free else None
        lit = self.maps is not None and self.popup is None and self.maps.hover(x, y)
        return lit or before != (self._hot_button, self._hot_item, self._over)

    @property
    def _over(self) -> object:
        """What is under the mouse, wherever the mouse is on it."""
        return None if self.hover is None else (self.hover.place, self.hover.at, self.hover.name)

    def _button_at(self, x: float, y: float) -> Placed | None:
        return next((one for one in self.placed() if one.place.contains(x, y)), None)

    def release(self, button: str, x: float, y: float, *, shift: bool = False) -> None:
        """A mouse button went up; without a movement since it went down, that was a click."""
        drag, self._drag = self._drag, None
        stroke, self._stroke = self._stroke, None
        if drag == "button":
            self.guarded(lambda: self._click_bar(x, y, other=button == "right" or shift))
        elif drag is not None and not self._moved and self.helping and button == "left":
            self.helping = False
        elif drag == "select" and stroke is not None and (self._moved or stroke.kind == "brush"):
            self.guarded(lambda: self._select(stroke, (x, y)))
        elif drag is not None and not self._moved:
            self.guarded(lambda: self._click(button, x, y, shift=shift))

    def _select(self, stroke: Stroke, at: tuple[float, float]) -> None:
        """Take what was drawn."""
        stroke.add(*at)
        where = self.scene.side(*self._from if stroke.shown is None else (-1, -1))
        n = finish(where, stroke)
        where.report()
        if n is not None:
            self.selected(f"{count(n)} positions selected")

    def _click(self, button: str, x: float, y: float, *, shift: bool) -> None:
        """A click that met no button: a class of the legend, a point, a heatmap, a small picture."""
        self.message = ""
        if self.maps is not None:
            self.maps.click(self, (x, y), more=shift)
            return
        name = self.scene.page(self.size, interactive=True).entry(x, y)
        where = self.scene.side(x, y)
        title = named_at(where, x, y)
        if title is not None and button == "left":
            n = len(self.scene.select_class(title, how="add" if shift else self.how))
            self.selected(f"{title}: {count(n)} positions selected")
        elif name is not None:
            (isolate if button == "right" or shift else hide_or_show)(self.scene.state, name)
        elif button == "left":
            where.click(x, y)
            where.report()

    def _click_bar(self, x: float, y: float, *, other: bool) -> None:
        """A click while a list is open, or on a button."""
        popup = self.popup
        if popup is not None:
            item = popup.item(self.layout, x, y)
            if item is not None:
                self.choose(item, other=other)
                return
            if popup.place(self.layout).contains(x, y):
                return
        over = self._button_at(x, y)
        self.popup = None
        if over is not None and (popup is None or popup.name != over.button.name):
            self.push(over.button.name)

    def choose(self, item: Item, *, other: bool = False) -> None:
        """Take a line of the open list."""
        does = item.other if other and item.other is not None else item.does
        if does is None:
            return
        popup = self.popup
        if not item.stays:
            self.popup = None
        does()
        if item.stays and popup is not None:
            popup.items = menu(self, popup.name)
        self._hot_item = None

    def push(self, name: str) -> None:
        """Push a button by its name."""
        items = menu(self, name)
        if items:
            owner = OWNERS.get(name, name)
            anchor = next((one.place for one in self.placed() if one.button.name == owner), None)
            more = next((one.place for one in self.placed() if one.button.name == "more"), None)
            place = anchor or more
            if place is not None:
                search, hint = SEARCHES.get(name, (None, ""))
                typed = None if search is None else partial(search, self)
                self.popup = Popup(name, items, place, search=typed, hint=hint)
            return
        self.popup = None
        if name in SAYS:
            self.use(name)
        else:
            PUSHED[name](self)

    def wheel(self, steps: float, x: float, y: float) -> bool:
        """The wheel turned, forwards is positive; says whether the picture changes."""
        if self.popup is not None:
            self.popup.scroll(self.layout, -3 if steps > 0 else 3)
            return True
        if self.maps is not None:
            return self.maps.turn(-1 if steps > 0 else 1)
        place = self.scene.side(x, y).layout.cloud
        if not place.contains(x, y):
            return self.leaf(steps, x, y)
        at = (x - place.left - place.width / 2, y - place.top - place.height / 2)
        middle = (at[0] / place.height, at[1] / place.height)
        self.scene.view = motion.zoom(self.scene.view, 1.15**steps, middle)
        return True

    def key(self, name: str, text: str = "") -> bool:
        """A key went down, by VTK's name for it and the letter it gives; says whether it means something."""
        from explorer.render.window.keys import KEYS

        if self.popup is not None:
            return self._type(self.popup, name, text)
        if self.making is not None and name == "Escape":
            self.making.stop()
            return True
        if self.task is not None and name == "Escape":
            self.task.stop()
            return True
        self.hover = None
        found = next((key for key in KEYS if name in key.names), None)
        if found is None:
            return False
        if self.helping and name in ("Escape", "q"):
            self.helping = False
            return True
        if self.maps is not None and name in ("Escape", "q"):
            self.maps = None
            return True
        self.message = ""
        if name not in ("h", "question"):
            self.helping = False
        self.guarded(lambda: found.does(self))
        return True

    def _type(self, popup: Popup, name: str, text: str) -> bool:
        """A key while a list is open: Escape closes it, letters narrow it down, Return takes the first."""
        if name == "Escape":
            self.popup = None
        elif name in ("Down", "Up", "Next", "Prior"):
            popup.scroll(self.layout, {"Down": 1, "Up": -1, "Next": 10, "Prior": -10}[name])
        elif name in ("Return", "KP_Enter"):
            first = next((item for item in popup.items if item.does is not None), None)
            if first is not None:
                self.guarded(lambda: self.choose(first))
        elif popup.search is not None and (name == "BackSpace" or (text and text.isprintable())):
            popup.query = popup.query[:-1] if name == "BackSpace" else popup.query + text
            popup.items, popup.first = tuple(popup.search(popup.query)), 0
        else:
            return False
        return True


def hide_or_show(state: State, name: str) -> None:
    """Hide a class of the current colouring, or show it again."""
    hide(state, name, hidden=name not in state.hidden.get(state.colour, frozenset()))


PUSHED: dict[str, Callable[[Controls], None]] = {
    "visible": Controls.switch_visible,
    "clear": Controls.clear,
    "flat": Controls.switch_flat,
    "theme": Controls.switch_theme,
    "help": Controls.toggle_help,
}
