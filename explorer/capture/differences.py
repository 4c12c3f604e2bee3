"""How far two arrays are apart, summed up batch by batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Sums:
    """Differences between two layers' values, over as many batches as are added.

    Attributes:
        shapes: (*spatial, channels) of the one and of the other.
        absolute: largest difference so far; infinite where the shapes differ.
        alike: whether NaN and infinity have been in the same places.
    """

    def __init__(self) -> None:
        self.shapes: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
        self.absolute = 0.0
        self.alike = True
        self._largest = 0.0
        self._count = 0
        self._means = np.zeros(2)
        self._moments = np.zeros((2, 2))

    def add(self, one: NDArray[Any], other: NDArray[Any]) -> None:
        """Take in a batch (batch, *spatial, channels) of each."""
        self.shapes = one.shape[1:], other.shape[1:]
        if one.shape != other.shape:
            self.absolute, self.alike = math.inf, False
            return
        rows = np.stack([np.ravel(one), np.ravel(other)]).astype(np.float64)
        finite = np.isfinite(rows).all(axis=0)
        if not finite.all():
            rest = rows[:, ~finite]
            self.alike &= bool(np.array_equal(rest[0], rest[1], equal_nan=True))
            rows = rows[:, finite]
        if rows.size:
            self.absolute = max(self.absolute, float(np.abs(rows[0] - rows[1]).max()))
            self._largest = max(self._largest, float(np.abs(rows[0]).max()))
            self._add_moments(rows)

    def _add_moments(self, rows: NDArray[np.float64]) -> None:
        """Means and second moments about them, joined so that large means cost no digits."""
        count = rows.shape[1]
        means = rows.mean(axis=1)
        centred = rows - means[:, None]
        apart = means - self._means
        whole = self._count + count
        self._moments += centred @ centred.T + np.outer(apart, apart) * (self._count * count / whole)
        self._means += apart * (count / whole)
        self._count = whole

    @property
    def relative(self) -> float:
        """The largest difference divided by the largest value of the one."""
        if self.absolute == 0:
            return 0.0
        return self.absolute / self._largest if self._largest else math.inf

    @property
    def correlation(self) -> float:
        """Pearson's over all finite values, NaN where one of them is constant."""
        scale = math.sqrt(self._moments[0, 0] * self._moments[1, 1])
        return float(self._moments[0, 1] / scale) if scale else math.nan


def best_in_order(worth: NDArray[np.float64]) -> list[tuple[int, int]]:
    """The pairs (row, column) worth most together, of which each is behind the one before in both.

    >>> best_in_order(np.array([[2.0, 0.0, 1.0], [0.0, 0.0, 1.5]]))
    [(0, 0), (1, 2)]
    """
    n_rows, n_columns = worth.shape
    best = np.zeros((n_rows + 1, n_columns + 1))
    for row, column in np.ndindex(n_rows, n_columns):
        taken = best[row, column] + worth[row, column]
        best[row + 1, column + 1] = max(best[row, column + 1], best[row + 1, column], taken)
    found = []
    row, column = n_rows, n_columns
    while row and column:
        if best[row, column] == best[row - 1, column]:
            row -= 1
        elif best[row, column] == best[row, column - 1]:
            column -= 1
        else:
            row, column = row - 1, column - 1
            found.append((row, column))
    return found[::-1]
