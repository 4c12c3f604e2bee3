"""Small moves of a picture, which a pattern has to survive: shifted, turned, scaled, with gray around it.

All pictures of a batch are moved alike by one sparse matrix, and a slope is moved back by its transpose,
which is the exact adjoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Robustness:
    """How far a picture is moved at each step.

    Attributes:
        shift: pixels along each axis at most, as a share of the shorter side.
        turn: degrees at most.
        scale: factor at most, its inverse at least.
    """

    shift: float = 1 / 12
    turn: float = 6.0
    scale: float = 1.12

    @property
    def moves(self) -> bool:
        """Whether anything is moved at all."""
        return bool(self.shift or self.turn or self.scale != 1)


@dataclass(frozen=True)
class Move:
    """One move of pictures (height, width): what each pixel is the mean of.

    Attributes:
        matrix: (pixels, pixels), sparse.
        outside: how much of each pixel lies outside the picture, (height, width, 1).
    """

    matrix: Any
    outside: Floats

    def there(self, pictures: Floats, around: Floats) -> Floats:
        """Pictures (batch, height, width, channels) moved; `around` (channels,) is outside of them."""
        return self._apply(self.matrix, pictures) + self.outside * around

    def back(self, slopes: Floats) -> Floats:
        """The derivative for the pictures, from that for the moved ones."""
        return self._apply(self.matrix.T, slopes)

    @staticmethod
    def _apply(matrix: Any, pictures: Floats) -> Floats:
        batch, tall, wide, channels = pictures.shape
        columns = pictures.transpose(1, 2, 0, 3).reshape(tall * wide, batch * channels)
        moved = (matrix @ columns).reshape(tall, wide, batch, channels).transpose(2, 0, 1, 3)
        return np.ascontiguousarray(moved, np.float32)


def random_move(size: tuple[int, int], robustness: Robustness, rng: np.random.Generator) -> Move:
    """One move of pictures (height, width), by bilinear interpolation."""
    most = robustness.shift * min(size)
    down, across = rng.uniform(-most, most, 2)
    angle = np.deg2rad(rng.uniform(-robustness.turn, robustness.turn))
    scale = np.exp(rng.uniform(-1, 1) * np.log(robustness.scale))
    middle = np.array([(size[0] - 1) / 2, (size[1] - 1) / 2])[:, None]
    places = np.indices(size).reshape(2, -1) - middle
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    return _bilinear(turned @ places + middle + np.array([[down], [across]]), size)


def _bilinear(places: NDArray[np.float64], size: tuple[int, int]) -> Move:
    """The matrix that reads a picture at (row, column) places (2, pixels)."""
    from scipy import sparse

    first = np.floor(places).astype(np.int64)
    part = places - first
    rows, columns, weights = [], [], []
    for down in (0, 1):
        for across in (0, 1):
            row, column = first[0] + down, first[1] + across
            weight = np.abs(1 - down - part[0]) * np.abs(1 - across - part[1])
            inside = (row >= 0) & (row < size[0]) & (column >= 0) & (column < size[1])
            rows.append(np.flatnonzero(inside))
            columns.append((row * size[1] + column)[inside])
            weights.append(weight[inside])
    count = size[0] * size[1]
    entries = np.concatenate(weights).astype(np.float32)
    matrix = sparse.csr_array((entries, (np.concatenate(rows), np.concatenate(columns))), (count, count))
    covered = np.asarray(matrix.sum(axis=1), np.float32).reshape(*size, 1)
    return Move(matrix, 1 - covered)
