"""Masks laid onto other grids: nearest neighbour at the inputs' size, majority at a layer's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MANY = 64
NO_MASK = -1
"""The class of a place that no mask says anything of."""


def nearest(
    mask: NDArray[np.int32], shape: tuple[int, ...], box: tuple[tuple[float, float], ...] | None = None
) -> NDArray[np.int32]:
    """Resize a mask (*spatial) by taking, for each new place, the old one at its middle.

    Args:
        mask: class numbers.
        shape: the new size, as many axes as the mask.
        box: (start, stop) along each axis of what is kept, in old places; None for all.

    >>> nearest(np.array([[1, 2], [3, 4]], np.int32), (2, 4)).tolist()
    [[1, 1, 2, 2], [3, 3, 4, 4]]
    """
    for axis, size in enumerate(shape):
        start, stop = box[axis] if box else (0.0, float(mask.shape[axis]))
        places = np.floor(start + (np.arange(size) + 0.5) * (stop - start) / size).astype(np.int64)
        mask = mask.take(np.clip(places, 0, mask.shape[axis] - 1), axis=axis)
    return mask


def majority(masks: NDArray[np.int32], grid: tuple[int, ...]) -> NDArray[np.int32]:
    """The class that covers most of each cell of a grid laid over masks.

    Args:
        masks: (batch, *spatial) class numbers.
        grid: the layer's spatial shape, as many axes as the masks, or () for one cell over all.

    Returns:
        (batch, *grid); of classes that cover as much, the smaller number.

    >>> majority(np.array([[[1, 1, 2, 2], [1, 2, 2, 2]]], np.int32), (1, 2)).tolist()
    [[[1, 2]]]
    """
    if not grid:
        masks, grid = masks.reshape(len(masks), -1), (1,)
        return majority(masks, grid)[:, 0]
    for axis, size in enumerate(grid, start=1):
        if size > masks.shape[axis]:  # finer than the masks: each cell lies in one place
            places = np.floor((np.arange(size) + 0.5) * masks.shape[axis] / size).astype(np.int64)
            masks = masks.take(places, axis=axis)
    numbers = np.unique(masks)
    if len(numbers) > MANY and len(masks) > 1:  # numbered objects: each input has its own few
        return np.concatenate([majority(mask[None], grid) for mask in masks])
    best = np.zeros((len(masks), *grid), np.int64)
    winner = np.full(best.shape, NO_MASK, np.int32)
    for number in numbers:
        covered = (masks == number).astype(np.int64)
        for axis, size in enumerate(grid, start=1):
            edges = np.arange(size) * masks.shape[axis] // size
            covered = np.add.reduceat(covered, edges, axis=axis)
        more = covered > best
        best[more], winner[more] = covered[more], number
    return winner
