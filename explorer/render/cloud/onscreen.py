"""Where many points fall on the screen at once, and what lies in a shape drawn there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.render.cloud.camera import Camera

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class OnScreen:
    """Points on a frame, to about a hundredth of a pixel.

    Attributes:
        x: (n,) pixels from the left; NaN behind the eye.
        y: (n,) pixels from the top.
        depth: (n,) distance before the eye, in radii of the cloud.
        half_height: half the frame's height at each point, (n,), in the same unit.
        size: (width, height) of the frame.
    """

    x: Floats
    y: Floats
    depth: Floats
    half_height: Floats
    size: tuple[int, int]

    @classmethod
    def of(
        cls, unit: Floats, camera: Camera, size: tuple[int, int], place: tuple[NDArray[Any], float]
    ) -> OnScreen:
        """Project points (n, 3), each (point - centre) / radius, given `place` (centre, radius)."""
        basis, (centre, radius) = camera.basis(), place
        eye = basis @ ((np.array(camera.position) - centre) / radius)
        local = unit @ basis.T.astype(np.float32)
        local -= eye.astype(np.float32)
        depth = -local[:, 2]
        if camera.parallel_scale is None:
            half = depth * np.float32(math.tan(math.radians(camera.view_angle / 2)))
        else:
            half = np.full(len(unit), camera.parallel_scale / radius, np.float32)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            pixels = np.where(depth > 0, np.float32(size[1] / 2) / half, np.float32(np.nan))
            x = np.float32(size[0] / 2) + local[:, 0] * pixels
            y = np.float32(size[1] / 2) - local[:, 1] * pixels
        return cls(x, y, depth, half, size)

    def inside(self) -> NDArray[np.bool_]:
        """Which points lie in the frame, (n,)."""
        return (self.x >= 0) & (self.x < self.size[0]) & (self.y >= 0) & (self.y < self.size[1])

    def in_box(self, box: tuple[float, float, float, float]) -> NDArray[np.bool_]:
        """Which points lie in a box (left, top, right, bottom), its corners in any order, (n,)."""
        left, right = sorted((box[0], box[2]))
        top, bottom = sorted((box[1], box[3]))
        return (self.x >= left) & (self.x <= right) & (self.y >= top) & (self.y <= bottom)

    def in_polygon(self, polygon: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
        """Which points lie in a polygon of pixels, (n,): where a ray to the right crosses it oddly often.

        Raises:
            InputError: fewer than three corners, or some that are no numbers.
        """
        corners = np.asarray(polygon, np.float64)
        if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
            raise InputError(f"lasso of {len(corners)} corners: expected at least 3 pixels (x, y)")
        low, high = corners.min(axis=0), corners.max(axis=0)
        some = np.flatnonzero(self.in_box((low[0], low[1], high[0], high[1])))
        x, y = self.x[some].astype(np.float64), self.y[some].astype(np.float64)
        odd = np.zeros(len(some), bool)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if y0 == y1:
                continue
            crosses = (y0 > y) != (y1 > y)
            odd ^= crosses & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
        found = np.zeros(len(self.x), bool)
        found[some[odd]] = True
        return found
