"""The pictures of a report on a selection: patches, marked pictures, maps, and what drives them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from explorer.explain.crops import Crops, cut
from explorer.explain.reasons import Reasons
from explorer.explain.typical import Patch
from explorer.render.between import Between
from explorer.render.drawing.colours import THEMES, Scale
from explorer.render.drawing.heatmap import heatmap, outline_mask, overlay, resize
from explorer.render.drawing.layout import Rect
from explorer.render.drawing.text import count, number, plural
from explorer.render.report import words
from explorer.render.report.parts import Picture, Row

THEME = THEMES["light"]
OUTSIDE = (150, 154, 160)
LARGE = 432
"""Longer side in pixels of a picture on which something is marked."""
PICTURES, MAPS, FEW = 8, 5, 4


def crops_of(found: Reasons) -> Crops | None:
    """How patches are cropped; None where there are no pictures, or no rows and columns."""
    first = found.run.picture(0)
    spatial = found.chosen.grid_shape[1:]
    if first is None or len(spatial) != 2:
        return None
    return Crops((int(first.shape[0]), int(first.shape[1])), (spatial[0], spatial[1]), found.field)


def patches(found: Reasons) -> tuple[str, tuple[Row, ...]]:
    """What stands for the selection, and how it is cropped."""
    shown, crops = found.typical, crops_of(found)
    if found.run.picture(0) is None:
        return "The run keeps no pictures to cut patches from.", ()
    if crops is None:
        rank = len(found.chosen.grid_shape) - 1
        said = "The layer has one vector a picture: whole pictures are shown."
        if rank:
            axes = plural(rank, "axis" if rank == 1 else "axe")
            said = f"The layer's positions have {axes}: whole pictures are shown."
    elif crops.sees_all:
        said = f"A position sees the whole picture{crops.beyond}, so {crops.shown}, with the position marked."
    else:
        said = f"Each patch is cropped {crops.words}. Grey is outside the picture."

    def row(title: str, some: Sequence[Patch]) -> Row:
        return Row(title, tuple(_patch(found, crops, one) for one in some))

    rows = [row("Nearest to the selection's mean: what is most typical of it", shown.nearest)]
    if shown.kinds:
        title = f"{len(shown.kinds)} kinds within it, told apart by k-means, the largest first"
        rows.append(row(title, shown.kinds))
    if shown.outside:
        rows.append(row("Just outside: nearest to the same mean, but not selected", shown.outside))
    return said, tuple(rows)


def _patch(found: Reasons, crops: Crops | None, one: Patch) -> Picture:
    """A position's patch, or its picture with the position marked."""
    picture, at = _picture(found, one.image), one.position
    if crops is None:
        pixels = _enlarged(picture)
    elif crops.sees_all:
        pixels = _marked_position(picture, crops, at)
    else:
        pixels = cut(picture, crops.spans(at), OUTSIDE)
    name = _label(found, one.image) or found.run.image_names[one.image]
    if one.share:
        return Picture(pixels, f"{words.percent(one.share)} of it", name)
    return Picture(pixels, name, f"row {at[0]}, col. {at[1]}" if len(at) == 2 else "")


def _marked_position(picture: NDArray[np.uint8], crops: Crops, at: tuple[int, ...]) -> NDArray[np.uint8]:
    """The part of a picture around a position, its cell outlined."""
    cells = crops.around(at)
    mask = np.zeros([last - first for first, last in cells], bool)
    mask[tuple(place - first for place, (first, _) in zip(at, cells, strict=True))] = True
    rows, columns = (
        slice(first * whole // steps, -(-last * whole // steps))
        for (first, last), whole, steps in zip(cells, crops.shape, crops.spatial, strict=True)
    )
    return outlined(_enlarged(picture[rows, columns]), mask, paler=False)


def _picture(found: Reasons, image: int) -> NDArray[np.uint8]:
    picture = found.run.picture(image)
    assert picture is not None  # the first was there, and a run has all or none
    return picture


def _label(found: Reasons, image: int) -> str:
    return "" if found.run.labels is None else f"label {found.run.labels[image]}"


def marked(found: Reasons) -> Row | None:
    """Pictures with the largest share, their selected positions outlined."""
    if found.run.picture(0) is None:
        return None
    shown = found.pictures[:PICTURES]
    pictures = []
    for one in shown:
        pixels = _with_selection(found, one.image)
        detail = f"label {one.label} · {one.name}" if one.label is not None else one.name
        caption = f"{words.percent(one.share)} selected"
        pictures.append(Picture(pixels, caption, detail, large=len(shown) <= FEW))
    rest = len(found.pictures) - len(shown)
    more = f" ({count(rest)} more hold some)" if rest else ""
    of = "" if found.among is None else " of what is on the map"
    return Row(f"Largest share{of} selected{more}; what is not selected is paler", tuple(pictures))


def _with_selection(found: Reasons, image: int) -> NDArray[np.uint8]:
    """A picture with its selected positions outlined; of a volume those of the slice that holds most."""
    large, mask = _enlarged(_picture(found, image)), _mask(found, image)
    if mask.ndim == 3:
        mask = mask[mask.sum(axis=(1, 2)).argmax()]
    return large if mask.ndim != 2 or mask.all() else outlined(large, mask)


def _mask(found: Reasons, image: int) -> NDArray[np.bool_]:
    """What of a picture is shown as selected; on a map of some positions the rest follows the nearest."""
    chosen = found.chosen
    return chosen.mask(image) if found.among is None else Between(chosen, found.among).mask(image)


def outlined(picture: NDArray[np.uint8], mask: NDArray[np.bool_], *, paler: bool = True) -> NDArray[np.uint8]:
    """A picture with the cells of a mask outlined, and the rest paler."""
    from PIL import Image

    canvas = Image.fromarray(picture)
    outline_mask(canvas, Rect(0, 0, canvas.width, canvas.height), mask, THEME, thick=3, pale=paler)
    return np.asarray(canvas, np.uint8)


def _enlarged(picture: NDArray[np.uint8], longer: int = LARGE) -> NDArray[np.uint8]:
    """A picture whose longer side has so many pixels."""
    zoom = longer / max(picture.shape[:2])
    size = max(1, round(picture.shape[1] * zoom)), max(1, round(picture.shape[0] * zoom))
    return resize(np.ascontiguousarray(picture), size, "lanczos" if zoom < 1 else "bicubic")


def where(found: Reasons) -> Row | None:
    """The places of the grid by how often they are selected; None where that says nothing."""
    shares = found.where
    if shares.ndim != 2 or found.run.n_images < 2 or not np.nanmin(shares) < np.nanmax(shares):
        return None
    high = float(np.nanmax(shares))
    pixels = heatmap(shares, Scale(0.0, high, "viridis"), THEME)
    zoom = max(1, LARGE // max(shares.shape))
    large = np.repeat(np.repeat(pixels, zoom, axis=0), zoom, axis=1)
    of = "pictures" if found.among is None else "its positions on the map, in all pictures together"
    if len(found.chosen.grid_shape) == 4:
        of = "pictures and their slices" if found.among is None else f"{of} and slices"
    none = "none" if np.isfinite(shares).all() else "none; grey: no position on the map"
    detail = f"yellow: in {words.percent(high)} of {of}; violet: in {none}"
    shown = Picture(large, "how often a place is selected", detail, smooth=False, large=True)
    return Row("All pictures together", (shown,))


def channel_maps(found: Reasons) -> Row | None:
    """The most telling channels' maps on the most typical picture."""
    if not found.typical.nearest or len(found.chosen.grid_shape) != 3:
        return None
    image = found.typical.nearest[0].image
    values = found.run.read(found.layer, image, image + 1)[0]
    drawn, size = [], None
    if found.run.picture(image) is not None:
        pixels = _with_selection(found, image)
        size = (pixels.shape[1], pixels.shape[0])
        held = plural(int(found.chosen.mask(image).sum()), "position")
        drawn.append(Picture(pixels, "the picture", f"{held} selected"))
    for one in found.channels[:MAPS]:
        plane = np.asarray(values[..., one.channel], np.float64)
        finite = plane[np.isfinite(plane)]
        if not finite.size:
            continue
        low, high = float(finite.min()), float(finite.max())
        pixels = heatmap(plane, Scale(low, high, "viridis"), THEME)
        zoom = max(1, LARGE // max(plane.shape))
        pixels = resize(pixels, size or (pixels.shape[1] * zoom, pixels.shape[0] * zoom))
        detail = f"{number(low)} to {number(high)}"
        drawn.append(Picture(pixels, f"channel {one.channel}", detail, smooth=False))
    name = found.run.image_names[image]
    return Row(
        f"Their maps on the most typical picture, {name}, each from its least to its most", tuple(drawn)
    )


def driven(found: Reasons) -> Row | None:
    """What drives the selection in typical pictures."""
    drawn = [one for driver in found.drivers for one in _driven(found, driver.image, driver.values)]
    if not drawn:
        return None
    over = "a cell of the grid" if found.among is None else "the way from one position on the map to the next"
    return Row(f"Selected positions, and the pixels that drive them, smoothed over {over}", tuple(drawn))


def _driven(found: Reasons, image: int, values: NDArray[np.float32]) -> list[Picture]:
    from scipy.ndimage import gaussian_filter

    large, mask = _enlarged(_picture(found, image)), _mask(found, image)
    # A pixel's value alone is noise to the eye: what the pixels of a position's cell add together is drawn.
    spatial = mask.shape if mask.ndim == 2 else (8, 8)
    cell = min(whole / steps for whole, steps in zip(values.shape, spatial, strict=True))
    if found.among is not None:  # of one cell in so many
        cell *= math.sqrt(math.prod(found.chosen.grid_shape) / found.n_positions)
    smooth = np.asarray(gaussian_filter(values.astype(np.float64), max(1.0, cell / 2), mode="constant"))
    top = float(np.percentile(np.abs(smooth), 99.5)) or 1.0
    colours = heatmap(smooth, Scale(-top, top, "diverging-light", clipped=True), THEME)
    over = overlay(large, resize(colours, (large.shape[1], large.shape[0]), "bicubic"), 0.7)
    held = plural(int(found.chosen.mask(image).sum()), "position")
    name = _label(found, image) or found.run.image_names[image]
    return [
        Picture(_with_selection(found, image), name, held, large=True),
        Picture(over, "what drives them", "red: towards the selection, blue: away", large=True),
    ]


def grown(found: Reasons) -> Row | None:
    """The pictures that the mean direction grows into, and the real ones that lie furthest along it."""
    one = found.grown
    if one is None:
        return None
    order, shown = np.argsort(-one.reached[0], kind="stable").tolist(), one.shown()[0]
    drawn = [
        Picture(_enlarged(shown[place]), f"grown: {number(float(one.reached[0, place]))}") for place in order
    ]
    if one.real is not None:
        real = zip(one.real.pictures[0], one.real.values[0], one.real.images[0], strict=True)
        for picture, value, image in real:
            name = _label(found, int(image)) or found.run.image_names[int(image)]
            drawn.append(Picture(_enlarged(picture), f"real: {number(float(value))}", name))
    title = "Each with the dot product of its positions and the direction (of length 1), on average"
    return Row(title, tuple(drawn))
