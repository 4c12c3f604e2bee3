"""What is drawn of a layer at a step: where it answers, all its maps, a small picture for each position."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.explain.crops import Crops, cut

SPRITE = 32
TILE = 128
GAP = 4
MOST_MAPS = 64


def grid_picture(
    activations: Activations, image: int, name: str, picture: NDArray[np.uint8] | None
) -> NDArray[np.uint8]:
    """The grid of the layer's maps for one image, at most 64 of them, in its own words when there are more.

    Args:
        activations: of the layer, one or two spatial axes.
        image: which input.
        name: its name.
        picture: the image (height, width, 3).
    """
    from explorer.render import grid

    one = Activations(activations.layer, activations.values[image : image + 1])
    shown = min(one.channels, MOST_MAPS)
    some = "" if shown == one.channels else f" · the first {shown} of {one.channels} channels"
    drawn = grid(one, channels=range(shown), title=f"{one.layer} · {name}{some}", picture=picture)
    return np.asarray(drawn.picture().convert("RGB"), np.uint8)


def answers(
    activations: Activations, images: Sequence[int], pictures: Sequence[NDArray[np.uint8] | None]
) -> NDArray[np.uint8]:
    """Images in a row, and under each how long the layer's vector is at each position, laid over it.

    All maps share one scale, from the smallest length to the largest.

    Args:
        activations: of the layer, two spatial axes.
        images: which inputs.
        pictures: their pictures (height, width, 3); without them the maps stand alone.
    """
    from explorer.render.drawing.colours import THEMES, Scale
    from explorer.render.drawing.heatmap import drawn, overlay, resize

    theme = THEMES["light"]
    values = activations.values[list(images)].astype(np.float64)
    norms = np.sqrt((values**2).sum(axis=-1))
    finite = norms[np.isfinite(norms)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    scale = Scale(low, high, "viridis")
    columns = []
    for norm, picture in zip(norms, pictures, strict=True):
        shape = norm.shape if picture is None else picture.shape
        size = (
            max(1, round(TILE * shape[1] / max(shape[:2]))),
            max(1, round(TILE * shape[0] / max(shape[:2]))),
        )
        tile = drawn(norm, scale, theme, size=size)
        if picture is None:
            columns.append(tile)
            continue
        seen = resize(picture, size, "lanczos" if size[0] < shape[1] else "nearest")
        gap = np.full((GAP, size[0], 3), 255, np.uint8)
        columns.append(np.concatenate([seen, gap, overlay(seen, tile)]))
    tall = max(len(column) for column in columns)
    wide = sum(column.shape[1] + GAP for column in columns) - GAP
    out = np.full((tall, wide, 3), 255, np.uint8)
    left = 0
    for column in columns:
        out[: len(column), left : left + column.shape[1]] = column
        left += column.shape[1] + GAP
    return out


def sprites(
    pictures: Sequence[NDArray[np.uint8]], positions: NDArray[np.int64], spatial: tuple[int, ...]
) -> NDArray[np.uint8]:
    """A small square picture for each position: what lies around it, three of its cells wide.

    At least an eighth of the picture's shorter side is shown; what lies outside the picture is black.
    A layer without two spatial axes has the whole picture at each position.

    Args:
        pictures: one an input, (height, width, 3).
        positions: (n, 1 + n_spatial): input and place on the layer's grid.
        spatial: sizes of the layer's spatial axes.

    Returns:
        (n, 32, 32, 3) uint8.
    """
    out = np.zeros((len(positions), SPRITE, SPRITE, 3), np.uint8)
    for number, (image, *place) in enumerate(positions.tolist()):
        picture = pictures[image]
        if len(spatial) == 2:
            crops = Crops((picture.shape[0], picture.shape[1]), (spatial[0], spatial[1]))
            picture = cut(picture, crops.spans(place), (0, 0, 0))
        out[number] = _fitted(picture)
    return out


def _fitted(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture as a square sprite, its longer side filling it."""
    from explorer.render.drawing.heatmap import resize

    height, width = picture.shape[:2]
    longer = max(height, width)
    size = max(1, round(SPRITE * width / longer)), max(1, round(SPRITE * height / longer))
    small = resize(picture, size, "lanczos" if longer > SPRITE else "nearest")
    out = np.zeros((SPRITE, SPRITE, 3), np.uint8)
    y, x = (SPRITE - size[1]) // 2, (SPRITE - size[0]) // 2
    out[y : y + size[1], x : x + size[0]] = small
    return out
