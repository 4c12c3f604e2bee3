"""Which pixels of a picture are shown for a position: what it sees, within sensible bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.capture.receptive_field import ReceptiveField, Span

CELLS = 3
LEAST_SHARE, MOST_SHARE = 8, 2
CONTEXT = 16
"""Cells across that are shown around a position that sees everything, where the grid has more."""


@dataclass(frozen=True)
class Crops:
    """Crops of one size around the positions of a layer.

    A crop is the position's receptive field where that is known, padding included. It is no smaller than
    an eighth of the picture's shorter side, so that something can be recognised, and no larger than half
    of each side, so that it still says where: of a larger field it is the middle. Where the field is not
    known, it is three times the position's cell; where a position sees everything, as behind a
    normalisation over the whole picture, it is the 16 cells around it.

    Attributes:
        shape: (height, width) of the picture.
        spatial: (rows, columns) of the layer's grid.
        field: what a position sees, or None where that is not known.
    """

    shape: tuple[int, int]
    spatial: tuple[int, int]
    field: ReceptiveField | None = None

    @property
    def known(self) -> bool:
        """Whether the receptive field is known, along both axes."""
        return self.field is not None and self.field.how != "unknown" and len(self.field.size) == 2

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a crop in pixels of the picture."""
        least = math.ceil(min(self.shape) / LEAST_SHARE)
        if self.known:
            assert self.field is not None
            sees = [self._context(axis) if self.sees_all else self._seen(axis) for axis in range(2)]
            most = [math.ceil(whole / MOST_SHARE) for whole in self.shape]
            tall, wide = (max(min(own, top), least) for own, top in zip(sees, most, strict=True))
            return tall, wide
        cells = [whole / steps for whole, steps in zip(self.shape, self.spatial, strict=True)]
        times = max(CELLS, min(self.shape) / LEAST_SHARE / min(cells))
        return math.ceil(cells[0] * times), math.ceil(cells[1] * times)

    @property
    def sees_all(self) -> bool:
        """Whether a position sees as much as the picture is large."""
        return self.known and all(self._seen(axis) >= self.shape[axis] for axis in range(2))

    def _context(self, axis: int) -> int:
        return math.ceil(self.shape[axis] * min(1.0, CONTEXT / self.spatial[axis]))

    def around(self, position: Sequence[int]) -> tuple[Span, Span]:
        """The cells, first and one behind the last of each axis, that are shown around a position."""
        first = [
            moved_inside(at - CONTEXT // 2, min(CONTEXT, steps), steps)
            for at, steps in zip(position, self.spatial, strict=True)
        ]
        return first[0], first[1]

    @property
    def shown(self) -> str:
        """What of its picture is shown for a position that sees all of it."""
        if max(self.spatial) <= CONTEXT:
            return "that is shown"
        cells = " × ".join(str(min(CONTEXT, steps)) for steps in self.spatial)
        return f"the {cells} positions around it are shown"

    @property
    def beyond(self) -> str:
        """What a position that sees all sees beyond the picture, in brackets; empty where nothing."""
        seen = self._seen(0), self._seen(1)
        return "" if seen == self.shape else f" ({seen[1]} × {seen[0]} pixels)"

    def _seen(self, axis: int) -> int:
        """How many pixels a position sees along an axis; all of them where it sees what all see."""
        assert self.field is not None
        return self.field.size[axis] if self.field.stride[axis] else self.shape[axis]

    def spans(self, position: Sequence[int]) -> tuple[Span, Span]:
        """((top, bottom), (left, right)) of the crop around a position, ends excluded; not clipped."""
        found = []
        for axis in range(2):
            reach = self.size[axis]
            middle = (position[axis] + 0.5) * self.shape[axis] / self.spatial[axis]
            if self.known:
                assert self.field is not None
                if self.field.stride[axis]:
                    place = self.field.axes[axis] if self.field.axes else axis
                    first = math.ceil(position[place] * self.field.stride[axis] + self.field.offset[axis])
                    middle = first + self.field.size[axis] / 2
            start = math.floor(middle - reach / 2 + 0.5) if self.known else round(middle - reach / 2)
            found.append((start, start + reach))
        return found[0], found[1]

    @property
    def words(self) -> str:
        """What a crop shows, such as "to the 7 × 7 pixels that it sees"."""
        tall, wide = self.size
        if not self.known:
            times = tall / (self.shape[0] / self.spatial[0])
            return f"to {wide} × {tall} pixels around it ({times:.3g} times its cell)"
        seen = self._seen(0), self._seen(1)
        if seen == (tall, wide):
            return f"to the {wide} × {tall} pixels that it sees"
        sees = f"{seen[1]} × {seen[0]}"
        if seen[0] >= self.shape[0] and seen[1] >= self.shape[1]:
            whole = f"{self.shape[1]} × {self.shape[0]}"
            reach = "the whole picture" if (seen == self.shape) else f"{sees}, beyond the picture's {whole}"
            return f"to {wide} × {tall} pixels, the middle of what it sees ({reach})"
        if tall >= seen[0] and wide >= seen[1]:
            return f"to {wide} × {tall} pixels around the {sees} that it sees"
        return f"to {wide} × {tall} pixels, the middle of the {sees} that it sees"


def moved_inside(first: int, side: int, whole: int) -> Span:
    """A span of `side` pixels from `first` on, moved into an axis of `whole` pixels."""
    inside = min(max(first, 0), whole - side)
    return inside, inside + side


def cut(picture: NDArray[Any], spans: tuple[Span, Span], fill: Sequence[int]) -> NDArray[np.uint8]:
    """The pixels of a picture (height, width, 3) within spans; what lies outside it has the colour `fill`."""
    rows, columns = spans
    out = np.empty((max(rows[1] - rows[0], 1), max(columns[1] - columns[0], 1), 3), np.uint8)
    out[:] = np.asarray(fill, np.uint8)
    top, left = max(rows[0], 0), max(columns[0], 0)
    seen = picture[top : max(rows[1], 0), left : max(columns[1], 0)]
    y, x = top - rows[0], left - columns[0]
    out[y : y + seen.shape[0], x : x + seen.shape[1]] = seen
    return out
