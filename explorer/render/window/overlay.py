"""What lies over a window below its buttons: all maps of a picture, or an atlas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explorer.render.drawing.colours import Theme
from explorer.render.drawing.layout import Layout

if TYPE_CHECKING:
    from PIL import Image

    from explorer.render.window.actions import Actions


class Overlay:
    """Something that is drawn in place of the scene, and takes the mouse meanwhile.

    Attributes:
        order: which line of the list of maps it is.
    """

    order = ""

    def holds(self) -> bool:
        """Whether it is still about what the scene shows."""
        return True

    def draw(self, canvas: Image.Image, layout: Layout, theme: Theme) -> None:
        """Draw it over everything below the buttons."""
        raise NotImplementedError

    def turn(self, step: int) -> bool:
        """The wheel turned; says whether the picture changes."""
        del step
        return False

    def hover(self, x: float, y: float) -> bool:
        """The mouse rests at a pixel; says whether the picture changes."""
        del x, y
        return False

    def click(self, controls: Actions, at: tuple[float, float], *, more: bool) -> None:
        """A click at a pixel; with `more`, to what is selected."""
        raise NotImplementedError
