"""Small multiples: the clouds of all epochs from one camera, and their figures as small plots below."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from explorer.render.drawing.colours import Theme
from explorer.render.drawing.colours import theme as theme_named
from explorer.render.drawing.layout import Layout, Rect
from explorer.render.drawing.text import count, font, plural, write
from explorer.render.epochs.curves import Curve, curve_points, draw_curve
from explorer.render.epochs.epochs import MovingCloud
from explorer.render.epochs.trails import draw_trail
from explorer.render.linked import legend, marks
from explorer.render.linked.words import method_name

if TYPE_CHECKING:
    from PIL import Image

    from explorer.render.epochs.scene import EpochScene

WIDTH = 1800
MOST = 24
"""Clouds on one sheet; of more epochs so many are drawn, spread evenly, and that is said."""
HEADER, CAPTION, GAP = 96, 30, 20
PLOTS, LEGEND, MARGIN = 170, 92, 32


@dataclass(frozen=True)
class Sheet:
    """Where everything lies.

    Attributes:
        size: (width, height) in pixels.
        clouds: a place a cloud.
        plots: a place a figure.
        legend: the legend's place.
    """

    size: tuple[int, int]
    clouds: tuple[Rect, ...]
    plots: tuple[Rect, ...]
    legend: Rect


def arrange(n: int, n_curves: int) -> Sheet:
    """Lay out so many clouds and plots."""
    columns = n if n <= 4 else math.ceil(math.sqrt(1.5 * n))
    columns = math.ceil(n / math.ceil(n / columns))  # rows as full as can be
    rows = math.ceil(n / columns)
    inner = WIDTH - 2 * MARGIN
    wide = (inner - GAP * (columns - 1)) // columns
    tall = round(wide * 0.72)
    step = CAPTION + tall + GAP
    clouds = [
        Rect(MARGIN + (k % columns) * (wide + GAP), HEADER + (k // columns) * step + CAPTION, wide, tall)
        for k in range(n)
    ]
    top = HEADER + rows * step + 12
    gap = 34
    each = (inner - gap * (n_curves - 1)) / max(1, n_curves)
    plots = [Rect(round(MARGIN + k * (each + gap)), top, round(each), PLOTS - 40) for k in range(n_curves)]
    below = top + PLOTS + 8
    return Sheet(
        (WIDTH, below + LEGEND), tuple(clouds), tuple(plots), Rect(MARGIN, below, inner, LEGEND - 14)
    )


def shown_epochs(n: int) -> list[int]:
    """Which of n epochs are drawn: all, or some spread evenly with the first and last among them."""
    return sorted({round(k) for k in np.linspace(0, n - 1, min(n, MOST))})


def epoch_sheet(scene: EpochScene, *, trail: tuple[int, ...] | None = None) -> Image.Image:
    """Draw the sheet.

    Args:
        scene: the scene over epochs; it stays where it is.
        trail: (image, *position) whose way is drawn through the clouds; None for no trail.

    Raises:
        InputError: there is no such position.
    """
    from PIL import Image, ImageDraw

    evolution, theme = scene.evolution, theme_named(scene.theme)
    chosen = shown_epochs(len(evolution.epochs))
    sheet = arrange(len(chosen), len(scene.curves))
    if trail is not None:
        scene.select(*trail)
    canvas = Image.new("RGB", sheet.size, theme.page)
    layout = replace(
        scene.laid_out(scene.sheet), size=sheet.size, scale=WIDTH / 1600, legend=sheet.legend, panels=()
    )
    _head(canvas, layout, theme, scene=scene, drawn=len(chosen))
    before = scene.at
    try:
        for epoch, place in zip(chosen, sheet.clouds, strict=True):
            _cloud(
                canvas, replace(layout, cloud=place), theme, scene=scene, epoch=epoch, trail=trail is not None
            )
    finally:
        scene.at = before
    for curve, place in zip(scene.curves, sheet.plots, strict=True):
        _plot(canvas, layout, theme, curve=curve, names=evolution.epochs, place=place)
    legend.draw_legend(canvas, layout, theme, legend=scene.colouring().legend)
    if trail is not None:
        face, at = font(layout.px(11)), (sheet.legend.right, sheet.legend.top + layout.px(12))
        words = "trail: solid where it moved beyond another seed, dashed where another seed moves it as far"
        words = words if scene.seeded else "trail: dashed, as PCA has no seed to hold movement against"
        write(ImageDraw.Draw(canvas), at, words, face=face, fill=theme.muted, anchor="rs")
    return canvas


def _head(canvas: Image.Image, layout: Layout, theme: Theme, *, scene: EpochScene, drawn: int) -> None:
    """Title and one line of facts."""
    from PIL import ImageDraw

    draw, px, evolution = ImageDraw.Draw(canvas), layout.px, scene.evolution
    one = evolution.projections[-1]
    title = " · ".join([scene.state.run.name, evolution.layer, method_name(one.method), "over training"])
    write(draw, (MARGIN, px(40)), title, face=font(px(23), "Bold"), fill=theme.text)
    whole = one.n_samples == one.n_positions
    number = count(one.n_samples) if whole else f"{count(one.n_samples)} of {count(one.n_positions)}"
    n = len(evolution.epochs)
    epochs = f"{drawn} of {n} epochs drawn" if drawn < n else plural(n, "epoch")
    images = plural(scene.state.run.n_images, "image")
    facts = f"{number} positions of {images} · {epochs} · one camera, one scale"
    if scene.only_moved and scene.seeded:
        facts += " · in colour: what has moved since the epoch before, beyond another seed"
    write(draw, (MARGIN, px(63)), facts, face=font(px(13)), fill=theme.muted, limit=WIDTH - 2 * MARGIN)


def _cloud(
    canvas: Image.Image, layout: Layout, theme: Theme, *, scene: EpochScene, epoch: int, trail: bool
) -> None:
    """One epoch's cloud with its caption, and the trail as far as it goes by then."""
    from PIL import Image, ImageDraw

    scene.at = float(epoch)
    draw, px, place = ImageDraw.Draw(canvas), layout.px, layout.cloud
    own, base = scene.evolution.figures[epoch], place.top - px(8)
    name = f"epoch {scene.evolution.epochs[epoch]}"
    write(
        draw, (place.left, base), name, face=font(px(15), "Bold"), fill=theme.text, limit=place.width * 0.35
    )
    told = [] if own.separation is None else [f"separation {own.separation:.2f}"]
    told += [] if own.moved is None else [f"{100 * own.moved:.0f} % moved"]
    if told:
        words, at = " · ".join(told), (place.right, base)
        write(draw, at, words, face=font(px(12)), fill=theme.muted, anchor="rs", limit=place.width * 0.65)
    inner = Rect(place.left + 1, place.top + 1, place.width - 2, place.height - 2)
    cloud = scene.cloud
    assert isinstance(cloud, MovingCloud)  # `at` has just seen to that
    camera = scene.views.at(inner.width / inner.height, lambda: scene.colouring().groups[cloud.finite])
    picture = cloud.paint(camera, (inner.width, inner.height), look=scene.look())
    canvas.paste(Image.fromarray(np.ascontiguousarray(picture)), (inner.left, inner.top))
    draw.rectangle((place.left, place.top, place.right - 1, place.bottom - 1), outline=theme.rule)
    found = scene.trail() if trail else None
    if found is None:
        return
    small = replace(layout, cloud=inner, scale=layout.scale * 0.8)
    draw_trail(canvas, small, theme, trail=found.until(epoch), camera=camera, at=float(epoch))
    pixels, depth = camera.project(found.places[epoch : epoch + 1], (inner.width, inner.height))
    if np.isfinite(pixels).all() and depth[0] > 0:
        here = (float(pixels[0, 0]) + inner.left, float(pixels[0, 1]) + inner.top)
        exact = scene.state.focus is not None and scene.state.focus.row is not None
        marks.draw_ring(canvas, small, theme, at=here, exact=exact)


def _plot(
    canvas: Image.Image, layout: Layout, theme: Theme, *, curve: Curve, names: tuple[str, ...], place: Rect
) -> None:
    """One figure over the epochs, with the epochs' names and what it means below."""
    from PIL import ImageDraw

    draw_curve(canvas, layout, theme, curve=curve, place=place, at=None)
    draw, px = ImageDraw.Draw(canvas), layout.px
    face, free = font(px(10)), -1e9
    inner = Rect(place.left, place.top, place.width, place.height)
    marks_ = curve_points(replace(curve, values=tuple(0.0 for _ in names), low=0.0, high=1.0), inner, px(3.5))
    last = marks_[-1]
    assert last is not None  # every value is there
    for index, (name, point) in enumerate(zip(names, marks_, strict=True)):
        assert point is not None  # every value is there
        wide = face.getlength(name)
        left = min(max(point[0] - wide / 2, place.left), place.right - wide)
        late = index < len(names) - 1 and left + wide > last[0] - face.getlength(names[-1]) - px(6)
        if left > free + px(6) and not late:
            write(draw, (left, place.bottom + px(12)), name, face=face, fill=theme.muted)
            free = left + wide
    write(
        draw, (place.left, place.bottom + px(29)), curve.says, face=face, fill=theme.muted, limit=place.width
    )
