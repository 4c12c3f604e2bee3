"""The PCA→RGB sheet: several images above the colours of their features, in one basis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from explorer.errors import InputError
from explorer.render.drawing.colours import THEMES
from explorer.render.drawing.heatmap import resize
from explorer.render.drawing.text import font, plural, write

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

    from explorer.capture.store import Run
    from explorer.reduce.rgb_basis import RgbBasis

MARGIN, GAP, HEAD, CAPTION = 28, 14, 84, 26
WIDTH = 1600


def rgb_sheet(run: Run, layer: str, images: Sequence[int], basis: RgbBasis) -> Image.Image:
    """Draw each image above its PCA→RGB map: the same colour means the same features in all of them.

    Args:
        run: an opened run folder.
        layer: a layer with two spatial axes.
        images: numbers of images, in the order they are drawn.
        basis: the colours, of this run or of another one of the same layer.

    Raises:
        InputError: no images, one that there is not, a layer that is no map, or colours of other features.
        LayerError: the run has no such layer.
    """
    from PIL import Image, ImageDraw

    grid_shape = run.grid_shape(layer)
    if len(grid_shape) != 3:
        raise InputError(f"layer {layer}: {len(grid_shape) - 1} spatial axes; PCA→RGB draws 2")
    if not images or not all(0 <= image < run.n_images for image in images):
        raise InputError(f"images {list(images)}: expected some of 0 to {run.n_images - 1}")
    if len(basis.pca.mean) != run.channels(layer):
        raise InputError(
            f"layer {layer} has {run.channels(layer)} channels, the colours are of {len(basis.pca.mean)}"
        )
    tile = _tile(len(images), grid_shape[1] / grid_shape[2])
    across = len(images) * (tile[0] + GAP) - GAP + 2 * MARGIN
    canvas = Image.new("RGB", (across, HEAD + 2 * (tile[1] + GAP) + CAPTION + MARGIN), THEMES["light"].page)
    draw = ImageDraw.Draw(canvas)
    _heading(draw, run, layer, basis, across - 2 * MARGIN)
    for column, image in enumerate(images):
        _column(canvas, draw, run, (layer, image), (MARGIN + column * (tile[0] + GAP), tile, basis))
    return canvas


def _tile(n_images: int, aspect: float) -> tuple[int, int]:
    """Width and height of one picture in pixels, so that a row fills the width."""
    wide = (WIDTH - 2 * MARGIN + GAP) / n_images - GAP
    wide = min(max(wide, 96), 760)
    return round(wide), round(wide * aspect)


def _heading(draw: ImageDraw.ImageDraw, run: Run, layer: str, basis: RgbBasis, limit: int) -> None:
    theme = THEMES["light"]
    share = ", ".join(f"{share:.0%}" for share in basis.pca.explained_variance_ratio)
    low, high = basis.percentiles
    of_what = "variance" if basis.first is None else "foreground's variance"
    below = f"components 1 to 3 show {share} of the {of_what} · each from percentile {low:g} to {high:g}"
    if basis.first is not None:
        below += " · black: background, told apart along the first component"
    title = f"{run.name} · {layer} · PCA→RGB, one basis for all {plural(run.n_images, 'image')}"
    write(draw, (MARGIN, 42), title, face=font(22, "Bold"), fill=theme.text, limit=limit)
    write(draw, (MARGIN, 68), below, face=font(15), fill=theme.muted, limit=limit)


def _column(
    canvas: Image.Image,
    draw: ImageDraw.ImageDraw,
    run: Run,
    what: tuple[str, int],
    where: tuple[int, tuple[int, int], RgbBasis],
) -> None:
    """One image, its map under it, and its name."""
    from PIL import Image

    (layer, image), (left, tile, basis), theme = what, where, THEMES["light"]
    picture = run.picture(image)
    if picture is None:
        draw.rectangle((left, HEAD, left + tile[0] - 1, HEAD + tile[1] - 1), fill=theme.panel)
    else:
        shrinks = math.prod(picture.shape[:2]) > math.prod(tile)
        canvas.paste(
            Image.fromarray(resize(picture, tile, "lanczos" if shrinks else "bicubic")), (left, HEAD)
        )
    colours = basis.colours(run.read(layer, image, image + 1)[0])
    canvas.paste(Image.fromarray(resize(colours, tile)), (left, HEAD + tile[1] + GAP))
    name = run.image_names[image]
    below = HEAD + 2 * (tile[1] + GAP) + 10
    write(draw, (left, below), name, face=font(14), fill=theme.muted, limit=tile[0])
