"""The real inputs of a run that objectives are highest for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.capture.protocol import LayerInfo
from explorer.errors import InputError
from explorer.explain import objectives as make
from explorer.explain.crops import moved_inside
from explorer.explain.maximised import Real
from explorer.explain.objectives import Objective
from explorer.progress import progress

if TYPE_CHECKING:
    from explorer.capture.store import Run

CHUNK = 64
"""Inputs read at once."""


def strongest(run: Run, layer: str, objectives: Sequence[Objective], count: int) -> Real:
    """The inputs of a run with the highest values of each objective, and where in them it is made.

    Args:
        run: an opened run that has the layer, of the shape that the objectives are for.
        layer: the layer.
        objectives: what is asked.
        count: how many inputs for each.

    Raises:
        InputError: the run keeps no pictures, or the layer has another shape there.
    """
    n = run.n_images
    first = objectives[0].weights
    if first is not None and (*run.grid_shape(layer)[1:], run.channels(layer)) != first.shape:
        grid = (*run.grid_shape(layer)[1:], run.channels(layer))
        raise InputError(f"{run.path}: {layer} has shape {grid} there, and {first.shape} in the model")
    if run.picture(0) is None:
        raise InputError(f"{run.path}: keeps no pictures to show beside")
    values = np.empty((len(objectives), n))
    with progress("real images", n, "images") as advance:
        for start in range(0, n, CHUNK):
            read = run.read(layer, start, start + CHUNK)
            for number, one in enumerate(objectives):
                values[number, start : start + len(read)] = one.value(read)
            advance(len(read))
    count = min(count, n)
    images = np.argsort(-values, axis=1, kind="stable")[:, :count]
    places = [
        [one.places(run.read(layer, int(image), int(image) + 1))[0] for image in best]
        for one, best in zip(objectives, images, strict=True)
    ]
    boxes = [[_box(run, layer, place) for place in row] for row in places]
    pictures = [[run.picture(int(image)) for image in best] for best in images]
    return Real(
        np.take_along_axis(values, images, axis=1),
        np.asarray(images, np.int64),
        np.asarray(places, np.int64),
        np.asarray(boxes, np.int64),
        np.asarray(pictures, np.uint8),
        n,
    )


def strongest_of(
    run: Run,
    layer: str,
    count: int,
    *,
    channel: int | None = None,
    along: tuple[str, NDArray[np.floating]] | None = None,
) -> Real:
    """The inputs of a run that a channel, or a direction of a layer, is highest for.

    Args:
        run: an opened run that has the layer.
        layer: the layer.
        count: how many inputs.
        channel: the channel's number; None for a direction.
        along: the direction's name and vector (channels,).

    Raises:
        InputError: the run keeps no pictures, or has no such channel.
        LayerError: a direction of another length.
    """
    info = LayerInfo(layer, "", (*run.grid_shape(layer)[1:], run.channels(layer)))
    asked = make.channels(info, [channel]) if channel is not None else []
    asked += [] if along is None else [make.direction(info, along[1], along[0])]
    return strongest(run, layer, asked, count)


LEAST = 4
"""A crop is at least so many'th of the picture's shorter side: what smaller fields see tells nothing."""


def _box(run: Run, layer: str, place: NDArray[np.intp]) -> tuple[tuple[int, int], ...]:
    """The pixels that a position sees, all of the picture where nobody knows."""
    picture = run.picture(0)
    assert picture is not None
    known = run.receptive_box(layer, tuple(int(index) for index in place))
    whole = ((0, picture.shape[0]), (0, picture.shape[1]))
    if known is None or len(known) != 2 or any(low >= high for low, high in known):
        return whole
    side = max(min(picture.shape[:2]) // LEAST, *(high - low for low, high in known))
    spans = []
    for (low, high), (_, size) in zip(known, whole, strict=True):
        own = min(side, size)
        spans.append(moved_inside((low + high - own) // 2, own, size))
    return tuple(spans)
