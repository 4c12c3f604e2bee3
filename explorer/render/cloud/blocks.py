"""Points sorted into blocks of space, so that a pixel is looked up without projecting them all."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.render.cloud.camera import Camera

SIDE = 40
SLANT = 1.35
"""How much larger than in the middle of the frame a ball may look near its edge: more than any view here."""


class Blocks:
    """Points in the cells of a grid, each cell with the ball about its own points.

    Sorting a million points takes some tenths of a second, once; a query then some milliseconds.
    """

    def __init__(self, points: NDArray[Any]) -> None:
        low, span = points.min(axis=0), np.maximum(np.ptp(points, axis=0).max(), 1e-30)
        cells = np.minimum(((points - low) / span * SIDE).astype(np.int32), SIDE - 1)
        code = (cells[:, 0] * SIDE + cells[:, 1]) * SIDE + cells[:, 2]
        self._order = np.argsort(code, kind="stable")
        sorted_code = code[self._order]
        self._starts = np.flatnonzero(np.diff(sorted_code, prepend=-1))
        self._ends = np.append(self._starts[1:], len(code))
        ordered = points[self._order]
        lowest = np.minimum.reduceat(ordered, self._starts).astype(np.float64)
        highest = np.maximum.reduceat(ordered, self._starts).astype(np.float64)
        self._centres = (lowest + highest) / 2
        self._radii = np.linalg.norm(highest - lowest, axis=1) / 2

    def near(
        self, camera: Camera, size: tuple[int, int], at: tuple[float, float], reach: float
    ) -> NDArray[np.intp]:
        """Points among which all are that fall within `reach` pixels of a pixel, in no order.

        Args:
            camera: from where, in the points' own coordinates.
            size: (width, height) of the frame.
            at: pixel (x, y).
            reach: pixels.
        """
        pixels, depth = camera.project(self._centres, size)
        if camera.parallel_scale is None:
            half = math.tan(math.radians(camera.view_angle / 2))
            front = depth - self._radii
            radius = self._radii * SLANT / np.maximum(front * half, 1e-12) * size[1] / 2
        else:
            front = np.ones(len(depth))
            radius = self._radii / camera.parallel_scale * size[1] / 2
        apart = np.hypot(*(pixels - at).T)
        met = np.flatnonzero((apart <= radius + reach) | ((front <= 0) & (depth + self._radii > 0)))
        if not len(met):
            return np.zeros(0, np.intp)
        return np.concatenate([self._order[self._starts[one] : self._ends[one]] for one in met])
