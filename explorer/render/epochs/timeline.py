"""The epochs under a cloud: figures as small plots with one cursor, and the slider that moves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from explorer.render.drawing.colours import Theme
from explorer.render.drawing.layout import Layout, Rect
from explorer.render.drawing.lines import stroke
from explorer.render.drawing.text import disc, font, rounded, width, write
from explorer.render.epochs.curves import Curve, draw_curve

if TYPE_CHECKING:
    from PIL import Image

TALL = 146
"""Height of plots and slider at 1600 × 900."""
SLIDER = 42
"""Of it, the slider's."""
LEAST = 230
"""Height below which the cloud keeps its place and the plots go; the slider stays."""


@dataclass(frozen=True)
class Timeline:
    """Where plots and slider lie.

    Attributes:
        plots: the plots' places, one a curve; none where there is no room.
        slider: the slider's place.
        track: left and right end of the slider's line.
        play: the button that plays; None on a picture.
    """

    plots: tuple[Rect, ...]
    slider: Rect
    track: tuple[float, float]
    play: Rect | None

    def x(self, at: float, n: int) -> float:
        """Pixel of a place among n epochs."""
        return self.track[0] + (self.track[1] - self.track[0]) * at / max(1, n - 1)

    def at(self, x: float, n: int) -> float:
        """The place among n epochs that a pixel of the slider stands for."""
        part = (x - self.track[0]) / max(1.0, self.track[1] - self.track[0])
        return float(np.clip(part, 0, 1)) * (n - 1)


def carve(layout: Layout) -> Layout:
    """A layout with room for plots and slider below a lower cloud, or two."""
    tall = layout.px(TALL) if layout.cloud.height > layout.px(TALL + LEAST) else layout.px(SLIDER + 14)
    lower = [
        None if place is None else replace(place, height=max(1, place.height - tall))
        for place in (layout.cloud, layout.second)
    ]
    assert lower[0] is not None  # there is always a cloud
    return replace(layout, cloud=lower[0], second=lower[1])


def timeline(layout: Layout, n_curves: int) -> Timeline:
    """Where plots and slider lie on a carved layout."""
    px, left = layout.px, layout.legend.left
    clouds = max(place.right for place in (layout.cloud, layout.second) if place is not None)
    right = clouds - px(28) if layout.panels or layout.info else layout.size[0] - px(28)
    top, bottom = layout.cloud.bottom + px(6), layout.legend.top - px(14)
    slider = Rect(left, bottom - px(SLIDER), right - left, px(SLIDER))
    play = Rect(left, slider.top + px(2), px(26), px(26)) if layout.bar is not None else None
    start = left + (px(42) if play else px(10))
    plots: tuple[Rect, ...] = ()
    if slider.top - top > px(60) and n_curves:
        gap = px(18)
        wide = (right - left - gap * (n_curves - 1)) / n_curves
        tall = slider.top - top - px(8)
        plots = tuple(Rect(round(left + k * (wide + gap)), top, round(wide), tall) for k in range(n_curves))
    return Timeline(plots, slider, (float(start), float(right - px(12))), play)


def draw_timeline(
    canvas: Image.Image,
    layout: Layout,
    theme: Theme,
    *,
    names: Sequence[str],
    shown: Sequence[Curve],
    at: float,
    playing: bool = False,
) -> None:
    """Draw plots and slider with the cursor at a place among the epochs."""
    place = timeline(layout, len(shown))
    for curve, box in zip(shown, place.plots, strict=False):
        draw_curve(canvas, layout, theme, curve=curve, place=box, at=at)
    _slider(canvas, layout, theme, place=place, names=names, at=at)
    if place.play is not None:
        _play(canvas, layout, theme, place=place.play, playing=playing)


def _slider(
    canvas: Image.Image, layout: Layout, theme: Theme, *, place: Timeline, names: Sequence[str], at: float
) -> None:
    """The line with a mark and a name an epoch, and the knob."""
    from PIL import ImageDraw

    draw, px, n = ImageDraw.Draw(canvas), layout.px, len(names)
    y = place.slider.top + px(15)
    now = place.x(at, n)
    stroke(canvas, [(place.track[0], y), (place.track[1], y)], theme.rule, 3 * layout.scale)
    if now > place.track[0]:
        stroke(canvas, [(place.track[0], y), (now, y)], theme.muted, 3 * layout.scale)
    plain, bold = font(px(11)), font(px(11), "Bold")
    free, nearest = -1e9, round(at)
    reserved = _span(names[nearest], place.x(nearest, n), width(names[nearest], bold), place)
    for index, name in enumerate(names):
        x = place.x(index, n)
        disc(canvas, (x, y), 3.2 * layout.scale, colour=theme.muted if index <= at else theme.rule)
        face = bold if index == nearest else plain
        left, right = _span(name, x, width(name, face), place)
        clash = index != nearest and right + px(6) > reserved[0] and left - px(6) < reserved[1]
        if left < free + px(6) or clash:  # too near to the name before, or to the one that counts
            continue
        ink = theme.text if index == nearest else theme.muted
        write(draw, (left, y + px(22)), name, face=face, fill=ink)
        free = right
    disc(canvas, (now, y), 8 * layout.scale, colour=theme.page)
    disc(canvas, (now, y), 6.5 * layout.scale, colour=theme.accent)


def _span(name: str, x: float, wide: int, place: Timeline) -> tuple[float, float]:
    """Left and right end of a name at a pixel, inside the slider."""
    left = min(max(x - wide / 2, float(place.slider.left)), place.slider.right - wide)
    return left, left + wide


def _play(canvas: Image.Image, layout: Layout, theme: Theme, *, place: Rect, playing: bool) -> None:
    """The button that plays the epochs, or stops."""
    from PIL import Image, ImageDraw

    px, fine = layout.px, 4
    box = (place.left, place.top, place.width, place.height)
    rounded(canvas, box, px(6), fill=theme.panel)
    mask = Image.new("L", (place.width * fine, place.height * fine))
    draw, w, h = ImageDraw.Draw(mask), place.width * fine, place.height * fine
    if playing:
        draw.rectangle((w * 0.33, h * 0.3, w * 0.43, h * 0.7), fill=255)
        draw.rectangle((w * 0.57, h * 0.3, w * 0.67, h * 0.7), fill=255)
    else:
        draw.polygon([(w * 0.38, h * 0.28), (w * 0.38, h * 0.72), (w * 0.72, h * 0.5)], fill=255)
    canvas.paste(theme.text, (place.left, place.top), mask.reduce(fine))
