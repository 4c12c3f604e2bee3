"""What a picture is drawn on: its size, what it leaves room for, and a page that lets light through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from explorer.render.drawing.colours import Colour, Theme
from explorer.render.drawing.colours import theme as theme_named

if TYPE_CHECKING:
    from PIL import Image

    from explorer.render.linked.state import State

SIZE = (1600, 900)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


@dataclass(frozen=True)
class Paper:
    """How a picture is laid out.

    Attributes:
        size: (width, height) in pixels.
        interactive: whether there is room for buttons.
        alone: whether the cloud has it for itself, without heatmaps.
        paper: the page's colour; None for the theme's.
        part: 1 for the left one of two clouds side by side, 2 for the right one, 0 for one alone.
    """

    size: tuple[int, int]
    interactive: bool = False
    alone: bool = False
    paper: Colour | None = None
    part: int = 0

    def theme(self, state: State) -> Theme:
        """The colours around the data on this sheet."""
        colours = theme_named(state.theme)
        return colours if self.paper is None else replace(colours, page=self.paper)


def see_through(draw: Callable[..., Image.Image]) -> Image.Image:
    """A picture whose page is transparent, RGBA: drawn on black and on white, and told apart.

    What is the same on both is opaque; what follows the page lets it through, smooth edges and the haze
    in the depth of a cloud included. Laid over white or black the picture is the one drawn there.

    Args:
        draw: draws the picture on a page of the colour `paper`.
    """
    from PIL import Image

    dark, light = (np.asarray(draw(paper=paper), np.float32) for paper in (BLACK, WHITE))
    alpha = 1 - np.clip(light - dark, 0, 255).max(axis=2) / 255
    # Rounding may differ by one between the two; what hardly lets anything through lets nothing through.
    alpha[alpha > 253.5 / 255] = 1.0
    colours = dark / np.maximum(alpha, 1 / 255)[..., None]
    out = np.concatenate([np.clip(colours, 0, 255), 255 * alpha[..., None]], axis=2)
    return Image.fromarray(np.rint(out).astype(np.uint8))
