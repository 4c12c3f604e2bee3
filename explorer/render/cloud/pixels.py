"""Points sorted by the pixel they fall on: at a resting camera a pick looks at those about a pixel alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.reduce.jit import compiled

if TYPE_CHECKING:
    from explorer.render.cloud.cloud import Look

Floats = NDArray[np.float64]


class Pixels:
    """The points of a frame, pixel by pixel, row after row.

    Sorting a million points takes some hundredths of a second, once for a camera; a pick then some
    microseconds.
    """

    def __init__(self, pixels: Floats, depth: Floats, radii: Floats, size: tuple[int, int]) -> None:
        """Sort points.

        Args:
            pixels: (n, 2) from the frame's left and top.
            depth: (n,) distance before the eye; what is behind it has 0 or less, and is never met.
            radii: (n,) of the discs, in pixels.
            size: (width, height) of the frame.
        """
        self._margin = math.ceil(float(radii.max(initial=0.0))) + 24
        self._most = float(radii.max(initial=0.0))
        wide, tall = size[0] + 2 * self._margin, size[1] + 2 * self._margin
        x, y = pixels[:, 0] + self._margin, pixels[:, 1] + self._margin
        inside = np.flatnonzero((x >= 0) & (x < wide) & (y >= 0) & (y < tall) & (depth > 0))
        code = y[inside].astype(np.int64) * wide + x[inside].astype(np.int64)
        self._starts, order = _sorted(code, wide * tall)
        self._points = inside[order]
        self._x, self._y, self._depth, self._radii = (
            np.ascontiguousarray(part[self._points]) for part in (x, y, depth, radii)
        )
        self._size = wide, tall
        self._dressed: tuple[object, Floats] = None, self._depth

    def pick(
        self,
        at: tuple[float, float],
        reach: float,
        *,
        look: Look,
        finite: NDArray[np.intp],
    ) -> int:
        """The point that is seen at a pixel of the frame, -1 for none.

        Of the discs under the pixel the frontmost; if none is, the nearest point within `reach` pixels.

        Args:
            at: (x, y).
            reach: pixels.
            look: which points are drawn, and which before all others.
            finite: (n,) the points' rows in it.
        """
        if self._dressed[0] is not look:
            self._dressed = look, self._ordered(look, finite[self._points])
        place = at[0] + self._margin, at[1] + self._margin
        far = max(self._most, min(reach, float(self._margin)))
        return int(
            _frontmost(
                (*place, reach, far),
                self._size,
                self._starts,
                (self._x, self._y, self._dressed[1], self._radii),
                self._points,
            )
        )

    def _ordered(self, look: Look, rows: NDArray[np.intp]) -> Floats:
        """What is drawn before what: the depth, less for the emphasised ones, infinite for the hidden."""
        front = self._depth
        if look.emphasised is not None:
            before = float(np.ptp(front)) + 1 if len(front) else 0.0
            front = front - np.where(look.emphasised[rows], before, 0.0)
        return front if look.shown is None else np.where(look.shown[rows], front, np.inf)


@compiled()
def _sorted(code: NDArray[np.int64], n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each of n pixels' points begin (n + 1,), and the points in the order of their pixels."""
    starts = np.zeros(n + 1, np.int64)
    for one in code:
        starts[one + 1] += 1
    for pixel in range(n):
        starts[pixel + 1] += starts[pixel]
    order, next_free = np.empty(len(code), np.int64), starts.copy()
    for point in range(len(code)):
        order[next_free[code[point]]] = point
        next_free[code[point]] += 1
    return starts, order


@compiled()
def _frontmost(at: Any, size: Any, starts: Any, values: Any, points: Any) -> int:
    """What `Pixels.pick` gives: `at` is (x, y, reach, far), `values` are x, y, front and radii by pixel."""
    x0, y0, reach, far = at
    wide, tall = size
    x, y, front, radii = values
    left, right = max(int(x0 - far), 0), min(int(x0 + far), wide - 1)
    top, bottom = max(int(y0 - far), 0), min(int(y0 + far), tall - 1)
    best, nearest = -1, -1
    first, least = np.inf, reach * reach
    for row in range(top, bottom + 1):
        for k in range(starts[row * wide + left], starts[row * wide + right + 1]):
            ahead = front[k]
            if ahead == np.inf:
                continue
            dx, dy = x[k] - x0, y[k] - y0
            apart = dx * dx + dy * dy
            if apart <= radii[k] * radii[k] and ahead < first:
                best, first = points[k], ahead
            if apart <= least:
                nearest, least = points[k], apart
    return best if best >= 0 else nearest
