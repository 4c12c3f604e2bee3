"""Figures over the epochs, as small plots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.render.drawing.colours import Theme
from explorer.render.drawing.layout import Layout, Rect
from explorer.render.drawing.lines import Point, stroke
from explorer.render.drawing.text import disc, font, number, width, write
from explorer.render.epochs.epochs import EpochsLike

if TYPE_CHECKING:
    from PIL import Image


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
    told = _SEPARATION_OF_MASKS if getattr(evolution.runs[-1], "mask_names", None) else _SEPARATION
    top = max([LEAST_TOP, *(one.separation or 0.0 for one in figures)])
    every = (
        _curve([one.separation for one in figures], _two, (0.0, top), told),
        _curve([one.trust for one in figures], _three, (0.5, 1.0), _TRUST),
        _curve([one.effective_rank for one in figures], number, (0.0, None), _rank(channels)),
        _curve([float(one.dead) for one in figures], _whole, (0.0, float(channels)), _dead(channels)),
        _curve([one.cka_last for one in figures], _two, (0.0, 1.0), _CKA),
        _curve([one.moved for one in figures], _percent, (0.0, 1.0), _MOVED),
    )
    return tuple(one for one in every if any(value is not None for value in one.values))


LEAST_TOP = 0.1
"""A separation that stays below is drawn near the bottom: next to none is no collapse and no rise."""
_SEPARATION = ("class separation", "classes", "share of variance between labels")
_SEPARATION_OF_MASKS = ("class separation", "classes", "share of variance between mask classes")
_TRUST = ("trust of the map", "trust", "0.5 is chance")
_CKA = ("CKA to the last", "CKA", "1 is the same up to turning")
_MOVED = ("moved", "moved", "beyond another seed")


def _rank(channels: int) -> tuple[str, str, str]:
    return "effective rank", "rank", f"of {channels} channels"


def _dead(channels: int) -> tuple[str, str, str]:
    return "dead channels", "dead", f"of {channels}"


def _curve(
    values: Sequence[float | None],
    words: Callable[[float], str],
    ends: tuple[float | None, float | None],
    told: tuple[str, str, str],
) -> Curve:
    """One figure: its values, how they are written, the plot's ends, and its names and meaning."""
    return Curve(told[:2], tuple(values), words, *ends, says=told[2])


def _two(value: float) -> str:
    return f"{value:.2f}"


def _three(value: float) -> str:
    return f"{value:.3f}"


def _whole(value: float) -> str:
    return f"{value:.0f}"


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


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
