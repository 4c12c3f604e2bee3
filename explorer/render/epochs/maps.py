"""The feature maps of one image over the epochs: a row a channel, a column an epoch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.render.drawing.colours import Scale, Theme, scale_of
from explorer.render.drawing.colours import theme as theme_named
from explorer.render.drawing.heatmap import drawn, resize
from explorer.render.drawing.text import font, number, plural, write
from explorer.render.epochs.epochs import EpochsLike
from explorer.render.epochs.sheet import shown_epochs

if TYPE_CHECKING:
    from PIL import Image

MOST = 12
"""Channels unless told otherwise; how many there are is said."""
CELL, GAP, LEFT, TOP, MARGIN = 112, 6, 150, 128, 32
SCALES = ("map", "channel")


def epoch_maps(
    evolution: EpochsLike,
    image: int = 0,
    *,
    channels: int | None = None,
    theme: str = "light",
    scale: str = "map",
) -> Image.Image:
    """Draw the grid, for a layer with two spatial axes.

    Args:
        evolution: the epochs.
        image: number of the image.
        channels: at most so many channels, those whose maps of this image vary most at the last epoch.
        theme: "light" or "dark".
        scale: "map" scales every map by itself, which shows its shape; "channel" scales a channel over
            all epochs, which shows how its strength grows.

    Raises:
        InputError: no such image or scale, or a layer without two spatial axes.
    """
    from PIL import Image, ImageDraw

    chosen = shown_epochs(len(evolution.epochs))
    values = _read(evolution, image, chosen)
    if scale not in SCALES:
        raise InputError(f"scale {scale!r}: expected {' or '.join(map(repr, SCALES))}")
    order = strongest(values[-1], MOST if channels is None else channels)
    colours = theme_named(theme)
    wide = LEFT + len(chosen) * (CELL + GAP) + MARGIN
    canvas = Image.new("RGB", (max(wide, 640), TOP + len(order) * (CELL + GAP) + MARGIN + 8), colours.page)
    draw = ImageDraw.Draw(canvas)
    _words(canvas, evolution, colours, image=image, shown=(len(order), values[0].shape[-1]), scale=scale)
    for column, epoch in enumerate(chosen):
        at = (LEFT + column * (CELL + GAP) + CELL / 2, TOP - 10)
        name = f"epoch {evolution.epochs[epoch]}" if not column else evolution.epochs[epoch]
        write(draw, at, name, face=font(13, "Bold"), fill=colours.text, anchor="ms", limit=CELL)
    for row, channel in enumerate(order):
        top = TOP + row * (CELL + GAP)
        write(
            draw,
            (MARGIN, top + CELL / 2),
            f"channel {channel}",
            face=font(13),
            fill=colours.text,
            anchor="lm",
        )
        maps = [np.asarray(one[..., channel], np.float64) for one in values]
        whole = scale_of(np.stack(maps), theme)
        for column, own in enumerate(maps):
            picture = _map(own, whole if scale == "channel" else _own_scale(own, whole), colours)
            canvas.paste(Image.fromarray(picture), (LEFT + column * (CELL + GAP), top))
    return canvas


def _read(evolution: EpochsLike, image: int, chosen: list[int]) -> list[NDArray[Any]]:
    """The image's values at each epoch, (rows, columns, channels)."""
    run = evolution.runs[-1]
    if not 0 <= image < run.n_images:
        raise InputError(f"image {image}: the runs have images 0 to {run.n_images - 1}")
    grid = run.grid_shape(evolution.layer)
    if len(grid) != 3:
        axes = len(grid) - 1
        raise InputError(f"layer {evolution.layer} has {plural(axes, 'spatial axis')}, maps need two")
    return [evolution.runs[epoch].read(evolution.layer, image, image + 1)[0] for epoch in chosen]


def strongest(values: NDArray[Any], most: int) -> list[int]:
    """The channels of (rows, columns, channels) that vary most, by falling variance; NaN counts as 0."""
    if most < 1:
        raise InputError(f"channels = {most}, expected 1 or more")
    wide = np.nan_to_num(np.asarray(values, np.float64), posinf=0, neginf=0)
    order = np.argsort(-wide.var(axis=(0, 1)), kind="stable")
    return [int(channel) for channel in order[:most]]


def _own_scale(values: NDArray[np.float64], whole: Scale) -> Scale:
    """A map's own limits, in the colours of its channel: about zero where the channel has both signs."""
    own = scale_of(values, "light", signed=False)
    if whole.colour_map == own.colour_map or own.constant:
        return replace(own, colour_map=whole.colour_map)
    most = max(abs(own.low), abs(own.high))
    return Scale(-most, most, whole.colour_map)


def _map(values: NDArray[np.float64], scale: Scale, theme: Theme) -> NDArray[np.uint8]:
    """One map at its size: grey where it is constant, which reads as "nothing to see"."""
    tall, wide = values.shape
    zoom = CELL / max(tall, wide)
    size = (max(1, round(wide * zoom)), max(1, round(tall * zoom)))
    if scale.constant and np.isfinite(values).all():
        inner = np.full((size[1], size[0], 3), theme.rule, np.uint8)
    else:
        inner = drawn(values, scale, theme, size=size)
    out = np.full((CELL, CELL, 3), theme.page, np.uint8)
    top, left = (CELL - size[1]) // 2, (CELL - size[0]) // 2
    out[top : top + size[1], left : left + size[0]] = inner
    return out


def _words(
    canvas: Image.Image,
    evolution: EpochsLike,
    theme: Theme,
    *,
    image: int,
    shown: tuple[int, int],
    scale: str,
) -> None:
    """The image, the title and what is shown of how many."""
    from PIL import Image, ImageDraw

    draw, run = ImageDraw.Draw(canvas), evolution.runs[-1]
    x = MARGIN
    picture = run.picture(image)
    if picture is not None:
        tall, wide = picture.shape[:2]
        size = max(1, round(64 * wide / max(tall, wide))), max(1, round(64 * tall / max(tall, wide)))
        small = resize(picture, size, "lanczos" if max(tall, wide) > 64 else "nearest")
        canvas.paste(Image.fromarray(small), (x, 22))
        x += 80
    label = "" if run.labels is None else f" · label {run.labels[image]}"
    room = canvas.width - x - MARGIN
    title = f"{run.name} · {evolution.layer} · {run.image_names[image]}{label}"
    write(draw, (x, 46), title, face=font(19, "Bold"), fill=theme.text, limit=room)
    how = "each map scaled by itself" if scale == "map" else "each channel on one scale over the epochs"
    varied = "" if shown[0] == shown[1] else f" of {number(shown[1], 6)}, those that vary most at the end"
    facts = f"{plural(shown[0], 'channel')}{varied} · {how}"
    write(draw, (x, 70), facts, face=font(12), fill=theme.muted, limit=room)
