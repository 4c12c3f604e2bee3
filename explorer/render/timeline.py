"""The epochs under a cloud: figures as small plots with one cursor, and the slider that moves it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from explorer.render.colours import Theme
from explorer.render.epochs import EpochsLike
from explorer.render.layout import Layout, Rect
from explorer.render.lines import Point, stroke
from explorer.render.text import disc, font, number, rounded, width, write

if TYPE_CHECKING:
    from PIL import Image

TALL = 146
"""Height of plots and slider at 1600 × 900."""
SLIDER = 42
"""Of it, the slider's."""
LEAST = 230
"""Height below which the cloud keeps its place and the plots go; the slider stays."""


@dataclass(frozen=True)
class Curve:
    """One figure over the epochs.

    Attributes:
        titles: what it is, and shorter where there is no room.
        values: one an epoch; None where it was not measured.
        words: how a value is written.
        low: bottom of the plot; None for the smallest value's surroundings.
        high: top of the plot.
        says: what it means, in a few words, for the sheet.
    """

    titles: tuple[str, str]
    values: tuple[float | None, ...]
    words: Callable[[float], str]
    low: float | None = None
    high: float | None = None
    says: str = ""

    def span(self) -> tuple[float, float]:
        """Bottom and top of the plot."""
        known = [value for value in self.values if value is not None] or [0.0]
        low = min(known) if self.low is None else self.low
        high = max(known) if self.high is None else self.high
        if high - low < 1e-9:
            low, high = low - 0.5, high + 0.5
        return low, high


def curves(evolution: EpochsLike) -> tuple[Curve, ...]:
    """The figures of an evolution that were measured."""
    figures, channels = evolution.figures, evolution.figures[0].channels
    two = _two
    every = (
        Curve(
            ("class separation", "classes"),
            tuple(one.separation for one in figures),
            two,
            0.0,
            says="share of variance between classes",
        ),
        Curve(
            ("trust of the map", "trust"),
            tuple(one.trust for one in figures),
            _three,
            0.5,
            1.0,
            says="0.5 is chance",
        ),
        Curve(
            ("effective rank", "rank"),
            tuple(one.effective_rank for one in figures),
            lambda value: number(value, 3),
            0.0,
            says=f"of {channels} channels",
        ),
        Curve(
            ("dead channels", "dead"),
            tuple(float(one.dead) for one in figures),
            lambda value: f"{value:.0f}",
            0.0,
            float(channels),
            says=f"of {channels}",
        ),
        Curve(
            ("CKA to the last", "CKA"),
            tuple(one.cka_last for one in figures),
            two,
            0.0,
            1.0,
            says="1 is the same up to turning",
        ),
        Curve(
            ("moved", "moved"),
            tuple(one.moved for one in figures),
            lambda value: f"{value:.0%}".replace("%", " %"),
            0.0,
            1.0,
            says="beyond another seed",
        ),
    )
    return tuple(one for one in every if any(value is not None for value in one.values))


def _two(value: float) -> str:
    return f"{value:.2f}"


def _three(value: float) -> str:
    return f"{value:.3f}"


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
    """A layout with room for plots and slider below a lower cloud."""
    tall = layout.px(TALL) if layout.cloud.height > layout.px(TALL + LEAST) else layout.px(SLIDER + 14)
    return replace(layout, cloud=replace(layout.cloud, height=max(1, layout.cloud.height - tall)))


def timeline(layout: Layout, n_curves: int) -> Timeline:
    """Where plots and slider lie on a carved layout."""
    px, left = layout.px, layout.legend.left
    right = layout.cloud.right - px(28) if layout.panels or layout.info else layout.size[0] - px(28)
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


def draw_curve(
    canvas: Image.Image, layout: Layout, theme: Theme, *, curve: Curve, place: Rect, at: float | None
) -> None:
    """One small plot: its title, its value at the cursor, and the line.

    Args:
        canvas: what to draw on.
        layout: for lengths.
        theme: the colours.
        curve: what is drawn.
        place: where.
        at: the cursor among the epochs; None for none, and the value of the last.
    """
    from PIL import ImageDraw

    draw, px = ImageDraw.Draw(canvas), layout.px
    now = curve.values[-1 if at is None else round(at)]
    told = "–" if now is None else curve.words(now)
    bold, plain = font(px(12), "Bold"), font(px(11))
    base = place.top + px(12)
    room = place.width - width(told, bold) - px(6)
    title = next((one for one in curve.titles if width(one, plain) <= room), None)
    # A number that nobody can tell the meaning of is worth less than a name.
    short = curve.titles[1] if title is None else title
    write(draw, (place.left, base), short, face=plain, fill=theme.muted, limit=place.width)
    if title is not None:
        write(draw, (place.right, base), told, face=bold, fill=theme.text, anchor="rs")
    inner = Rect(place.left, place.top + px(22), place.width, place.height - px(26))
    draw.line((inner.left, inner.bottom, inner.right, inner.bottom), fill=theme.rule, width=px(1))
    points = curve_points(curve, inner, px(3.5))
    if at is not None:
        x = inner.left + px(3.5) + (inner.width - 2 * px(3.5)) * at / max(1, len(curve.values) - 1)
        line = (round(x), inner.top - px(4), round(x), inner.bottom)
        draw.line(line, fill=theme.accent, width=px(1.5))
    for piece in runs_of(points):
        if len(piece) > 1:
            stroke(canvas, piece, theme.text, 1.6 * layout.scale)
    for index, point in enumerate(points):
        if point is not None:
            here = at is not None and index == round(at)
            radius = (3.6 if here else 2.2) * layout.scale
            disc(canvas, point, radius, colour=theme.accent if here else theme.text)


def curve_points(curve: Curve, inner: Rect, edge: float) -> list[Point | None]:
    """Where a curve's values lie in a place; None where a value is missing."""
    low, high = curve.span()
    wide = inner.width - 2 * edge
    points: list[Point | None] = []
    for index, value in enumerate(curve.values):
        x = inner.left + edge + wide * index / max(1, len(curve.values) - 1)
        if value is None:
            points.append(None)
            continue
        part = (min(max(value, low), high) - low) / (high - low)
        points.append((x, inner.bottom - edge - (inner.height - 2 * edge) * part))
    return points


def runs_of(points: Sequence[Point | None]) -> list[list[Point]]:
    """Stretches of points without a gap."""
    found: list[list[Point]] = [[]]
    for point in points:
        if point is None:
            found.append([])
        else:
            found[-1].append(point)
    return [piece for piece in found if piece]


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
