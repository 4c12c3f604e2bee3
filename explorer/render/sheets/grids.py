"""`grid`: the feature maps of a layer side by side, its arguments checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from explorer.activations import Activations
from explorer.errors import InputError, suggest

if TYPE_CHECKING:
    from explorer.capture.store import Run
    from explorer.render.sheets.feature_maps import Grid
    from explorer.render.sheets.grid_scales import Norm
    from explorer.render.sheets.grid_source import Source
    from explorer.render.sheets.grid_tiles import Look
    from explorer.render.sheets.strongest import Crop


def grid(
    source: Run | Activations,
    layer: str | None = None,
    *,
    image: int | Sequence[int] = 0,
    channels: Iterable[int] | None = None,
    columns: int | None = None,
    colour_map: str | None = None,
    normalise: Literal["map", "layer", "channel", "data"] = "map",
    limits: tuple[int, int] = (0, 1),
    percentiles: tuple[float, float] = (0.0, 100.0),
    order: Literal["index", "variance", "response", "cluster"] = "index",
    overlay: float | None = None,
    method: str = "nearest",
    strongest: int = 0,
    crop: Crop | None = None,
    title: str | None = None,
    picture: NDArray[np.uint8] | Sequence[NDArray[np.uint8]] | None = None,
    size: tuple[int, int] | None = None,
    slice: int | None = None,  # noqa: A002  what it is called everywhere
) -> Grid:
    """Draw the maps of one layer for one picture or several as a grid.

    Args:
        source: an opened run folder, or activations (batch, *spatial, channels), whose batch is then the
            data set. One to three spatial axes.
        layer: one of the run's layers; may be left out when it has one.
        image: which picture, or several, each with all its maps.
        channels: which channels, in the order they are drawn; all when left out.
        columns: maps in a row; near-square when left out (4 for sixteen maps).
        colour_map: "gray" or any of Matplotlib's; left out, viridis for limits (0, 1) and a diverging
            blue–grey–red for (-1, 1).
        normalise: "map" scales each map by its own values, "layer" all maps shown together, "channel"
            each channel by its values over the data set, "data" all by the layer's over the data set.
        limits: (0, 1), from minimum to maximum; or (-1, 1), centred on zero.
        percentiles: the two that are taken for minimum and maximum, such as (1, 99); what lies beyond is
            drawn as the ends. Over the data set they are exact to 1/1024 of a channel's range.
        order: "index" as given; "variance" over the data set, largest first; "response", how far a
            channel's mean over the (first) picture stands above its mean over all pictures, in standard
            deviations of pictures' means; "cluster", look-alikes together (average linkage over 1 −
            correlation over the data set).
        overlay: lay the maps over their picture, so opaque: 0 to 1.
        method: the filter that maps are enlarged with: "nearest", "bilinear", "bicubic" or "lanczos".
        strongest: how many of the data set's pictures that a channel answers to most stand beside its
            map, up to 16, each cropped around its strongest position.
        crop: the pixels that a position stands for, `(row, column) -> ((top, bottom), (left, right))`;
            left out, its receptive field where the run knows that, no more than half of the picture's
            sides of it, else three times the position's cell; and no less than an eighth of the shorter
            side. The grid says which.
        title: the heading; layer and picture when left out.
        picture: the input, or the inputs shown or all of them, (height, width, 3) uint8; a run has its own.
        size: (width, height) in pixels; as large as the maps need when left out.
        slice: which slice of volumes; the middle one when left out. What is said of the data set is said
            of whole volumes.

    Constant maps are drawn grey and say so; values that are not finite are hatched. Where there is more
    than one picture, the heading lists dead channels (constant over the data set) and duplicates (correlation
    of 0.999 or more).

    Raises:
        InputError: an argument that does not fit.
        LayerError: the run has no such layer.
    """
    from explorer.render.sheets.feature_maps import Request, compose
    from explorer.render.sheets.grid_source import Source
    from explorer.render.sheets.strongest import Strongest

    pictures = None if picture is None else [picture] if isinstance(picture, np.ndarray) else list(picture)
    given = Source(source, layer, pictures, cut=slice)
    images = tuple(int(one) for one in ([image] if isinstance(image, int | np.integer) else image))
    chosen = _channels(given, channels)
    _check(given, images, columns=columns, order=order)
    _check_size(size)
    norm = _norm(normalise, limits, percentiles, colour_map)
    look = _look(given, images, method, overlay)
    beside = None
    if strongest:
        if not 1 <= strongest <= 16:
            raise InputError(f"strongest {strongest}: expected 1 to 16")
        if len(given.spatial) != 2 or given.cut is not None:
            raise InputError(
                f"strongest {strongest}: layer {given.layer} is no grid of rows and columns of a picture"
            )
        beside = Strongest(given, int(strongest), crop)
    asked = Request(images, chosen, columns, norm, look, order, beside, title, size)
    return compose(given, asked, told=given.is_data_set)


def _channels(source: Source, channels: Iterable[int] | None) -> list[int]:
    """The channels asked for, checked."""
    chosen = list(range(source.channels)) if channels is None else [int(c) for c in channels]
    for channel in chosen:
        if not 0 <= channel < source.channels:
            raise InputError(
                f"channel {channel}: layer {source.layer} has channels 0 to {source.channels - 1}"
            )
    if not chosen or 0 in source.shape:
        raise InputError(f"layer {source.layer}: no maps to draw in shape {source.shape}")
    return chosen


def _check(source: Source, images: tuple[int, ...], *, columns: int | None, order: str) -> None:
    """Refuse what a grid cannot draw."""
    from explorer.render.sheets.grid_source import ORDERS

    layer, rank = source.layer, len(source.spatial)
    if rank not in (1, 2):
        raise InputError(f"layer {layer}: {rank} spatial axes; a grid draws 1 to 3")
    if not images:
        raise InputError("image: name at least one picture")
    for image in images:
        if not 0 <= image < source.shape[0]:
            raise InputError(f"image {image}: layer {layer} has images 0 to {source.shape[0] - 1}")
    if columns is not None and columns < 1:
        raise InputError(f"columns {columns}: expected at least 1")
    if order not in ORDERS:
        raise InputError(f"order {order!r}: {suggest(str(order), ORDERS)}")
    if order == "response" and not source.is_data_set:
        raise InputError("order 'response': compares with a data set, and this one has a single picture")


def _check_size(size: tuple[int, int] | None) -> None:
    """Refuse a sheet that would fill the memory."""
    from explorer.render.drawing.layout import LARGEST

    if size is not None and not (0 < size[0] <= LARGEST[0] and 0 < size[1] <= LARGEST[1]):
        raise InputError(f"size {size[0]} × {size[1]}: expected at most {LARGEST[0]} × {LARGEST[1]} pixels")


def _norm(
    normalise: str,
    limits: Sequence[int],
    percentiles: Sequence[float],
    colour_map: str | None,
) -> Norm:
    """How maps are scaled, checked."""
    from explorer.render.drawing.colours import table
    from explorer.render.sheets.grid_scales import NORMALISE, Norm

    if normalise not in NORMALISE:
        raise InputError(f"normalise {normalise!r}: {suggest(str(normalise), NORMALISE)}")
    if tuple(limits) not in ((0, 1), (-1, 1)):
        raise InputError(f"limits {tuple(limits)}: expected (0, 1) or (-1, 1)")
    low, high = _two(percentiles)
    name = colour_map or ("viridis" if tuple(limits) == (0, 1) else "diverging-light")
    table(name)
    return Norm(normalise, (int(limits[0]), int(limits[1])), (low, high), name)


def _two(percentiles: Sequence[float]) -> tuple[float, float]:
    numbers: list[Any] = [float(part) for part in percentiles]
    if len(numbers) != 2 or not 0 <= numbers[0] < numbers[1] <= 100:
        raise InputError(f"percentiles {tuple(percentiles)}: expected two rising numbers from 0 to 100")
    return numbers[0], numbers[1]


def _look(source: Source, images: tuple[int, ...], method: str, overlay: float | None) -> Look:
    """How maps are drawn, checked."""
    from explorer.render.drawing.heatmap import FILTERS
    from explorer.render.sheets.grid_tiles import Look

    if method not in FILTERS:
        raise InputError(f"filter {method!r}: {suggest(method, FILTERS)}")
    if overlay is not None:
        if not 0 <= overlay <= 1:
            raise InputError(f"overlay {overlay}: expected 0 (the picture alone) to 1 (the map alone)")
        if source.cut is not None:
            raise InputError(
                f"layer {source.layer}: of volumes no pictures are kept to lay maps over; leave out overlay"
            )
        if len(source.spatial) != 2 or any(source.picture(i, k) is None for k, i in enumerate(images)):
            raise InputError(f"layer {source.layer}: no picture to lay its maps over")
    return Look(method, overlay)
