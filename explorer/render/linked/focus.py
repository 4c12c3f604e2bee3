"""The position that is looked at: one place in one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.reduce.projection import Projection


@dataclass(frozen=True)
class Focus:
    """The position that is looked at.

    Attributes:
        image: which input.
        position: its index on the layer's grid, one number a spatial axis.
        row: its row in the projection; None when it was not sampled.
        label: the input's label, or None.
        coordinates: where it lies in the cloud, or None when it was not sampled.
        nearest: the row of the nearest sampled position in the same image, equal to `row` when
            that exists; None when no position of the image was sampled.
    """

    image: int
    position: tuple[int, ...]
    row: int | None
    label: str | None
    coordinates: tuple[float, ...] | None
    nearest: int | None


def place_of(grid_shape: tuple[int, ...], image: int, position: tuple[int, ...]) -> int:
    """A position's place in the grid, in C order.

    Raises:
        InputError: the grid has no such image or position.
    """
    spatial = grid_shape[1:]
    inside = len(position) == len(spatial) and all(
        0 <= at < size for at, size in zip(position, spatial, strict=True)
    )
    if not inside or not 0 <= image < grid_shape[0]:
        raise InputError(
            f"image {image}, position {position}: there are {grid_shape[0]} images of "
            f"{' × '.join(map(str, spatial)) or 'no'} positions"
        )
    return int(np.ravel_multi_index((image, *position), grid_shape))


def focus_on(
    projection: Projection, rows: NDArray[np.int64], at: tuple[int, ...], label: str | None
) -> Focus:
    """Look at a position.

    Args:
        projection: the map.
        rows: (n_samples,) its rows' places in the grid.
        at: (image, *position).
        label: the image's label.

    Raises:
        InputError: there is no such image or position.
    """
    image, *position = map(int, at)
    place = place_of(projection.grid_shape, image, tuple(position))
    found = int(np.searchsorted(rows, place))
    row = found if found < len(rows) and rows[found] == place else None
    return Focus(
        image=image,
        position=tuple(position),
        row=row,
        label=label,
        coordinates=None if row is None else tuple(map(float, projection.coordinates[row])),
        nearest=row if row is not None else _nearest(projection.grid_shape, rows, (image, *position)),
    )


def _nearest(grid_shape: tuple[int, ...], rows: NDArray[np.int64], at: tuple[int, ...]) -> int | None:
    """The row of the sampled position of the same image that is nearest on the grid."""
    each = int(np.prod(grid_shape[1:]))
    first, last = np.searchsorted(rows, [at[0] * each, (at[0] + 1) * each])
    if first == last:
        return None
    grid = np.stack(np.unravel_index(rows[first:last], grid_shape)[1:], axis=1)
    return int(first + np.argmin(((grid - np.array(at[1:])) ** 2).sum(axis=1)))


def moved(at: tuple[int, ...], old: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, ...] | None:
    """The position of another layer's grid that lies where a position's middle lies; None where axes differ.

    Args:
        at: (image, *position) on the grid `old`.
        old: (batch, *spatial).
        new: (batch, *spatial) of the other layer.
    """
    if len(old) != len(new) or old[0] != new[0]:
        return None
    middle = [(2 * i + 1) * n // (2 * o) for i, o, n in zip(at[1:], old[1:], new[1:], strict=True)]
    return at[0], *middle
