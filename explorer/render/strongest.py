"""The pictures of a data set that a channel answers to most, cropped around the position that does."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.render.colours import THEMES
from explorer.render.grid_source import Source
from explorer.render.heatmap import resize

Spans = tuple[tuple[int, int], ...]
Crop = Callable[[tuple[int, ...]], Spans]
"""The pixels of the picture that a position stands for: ((top, bottom), (left, right)), ends excluded."""
CELLS = 3
LEAST_SHARE = 8
SEAM = 2  # pixels between crops
THEME = THEMES["light"]


class Strongest:
    """Crops of the pictures that are strongest in each channel.

    Attributes:
        n: how many stand beside a map.
        words: what they are and how they are cropped, in one line.
    """

    def __init__(self, source: Source, n: int, crop: Crop | None) -> None:
        first = source.picture(0)
        if first is None:
            raise InputError(f"layer {source.layer}: no pictures to show the strongest of")
        self.n = min(n, source.shape[0], source.statistics.top_pictures.shape[1])
        self._source, self._shape = source, (int(first.shape[0]), int(first.shape[1]))
        self._dead = set(source.statistics.dead())
        self._held: dict[int, NDArray[np.uint8]] = {}
        self._crop = crop or self._around
        how = "to what the position sees"
        if crop is None:
            tall, wide = self._size()
            times = tall / (self._shape[0] / source.spatial[0])
            how = f"to {wide} × {tall} pixels around it ({times:.3g} times its cell)"
        which = "the strongest picture" if self.n == 1 else f"the {self.n} strongest pictures"
        where = "its strongest position" if self.n == 1 else "the strongest position of each"
        self.words = f"beside each map: {which} of {source.shape[0]:,}, {where} cropped {how}"

    def _size(self) -> tuple[int, int]:
        """Height and width of a crop: 3 cells, and no less than an eighth of the picture's shorter side."""
        cells = [size / steps for size, steps in zip(self._shape, self._source.spatial, strict=True)]
        times = max(CELLS, min(self._shape) / LEAST_SHARE / min(cells))
        return math.ceil(cells[0] * times), math.ceil(cells[1] * times)

    def _around(self, position: tuple[int, ...]) -> Spans:
        spans = []
        for size, steps, at, reach in zip(
            self._shape, self._source.spatial, position, self._size(), strict=True
        ):
            first = round((at + 0.5) * size / steps - reach / 2)
            spans.append((first, first + reach))
        return tuple(spans)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of crops: one of them beside the map, or two, or four as 2 × 2."""
        rows = math.ceil(math.sqrt(self.n))
        return rows, -(-self.n // rows)

    def mosaic(self, channel: int, height: int) -> NDArray[np.uint8]:
        """The crops of a channel in reading order, so many pixels high, (height, width, 3)."""
        rows, across = self.shape
        width = round(height * across / rows)
        out = np.empty((height, width, 3), np.uint8)
        out[:] = THEME.page
        edges = [round(k * (height + SEAM) / rows) for k in range(rows + 1)]
        found = self._source.statistics
        for rank in range(self.n):
            row, column = divmod(rank, across)
            top, left = edges[row], edges[column]
            tall = edges[row + 1] - SEAM - top
            wide = min(edges[column + 1] - SEAM, width) - left
            if channel in self._dead or not math.isfinite(found.top_values[channel, rank]):
                out[top : top + tall, left : left + wide] = THEME.panel
                continue
            image = int(found.top_pictures[channel, rank])
            place = np.unravel_index(int(found.top_positions[channel, rank]), self._source.spatial)
            patch = self._cut(image, tuple(int(index) for index in place))
            out[top : top + tall, left : left + wide] = fitted(patch, (wide, tall))
        return out

    def _cut(self, image: int, position: tuple[int, ...]) -> NDArray[np.uint8]:
        """The pixels of a picture around a position, what lies outside it filled."""
        if image not in self._held:
            read = self._source.picture(image)
            assert read is not None
            self._held[image] = read
        picture, (rows, columns) = self._held[image], self._crop(position)
        out = np.empty((max(rows[1] - rows[0], 1), max(columns[1] - columns[0], 1), 3), np.uint8)
        out[:] = THEME.rule
        top, left = max(rows[0], 0), max(columns[0], 0)
        seen = picture[top : max(rows[1], 0), left : max(columns[1], 0)]
        y, x = top - rows[0], left - columns[0]
        out[y : y + seen.shape[0], x : x + seen.shape[1]] = seen
        return out


def fitted(picture: NDArray[Any], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture as large as fits into (width, height), in the middle of a plain plate."""
    tall, wide = picture.shape[:2]
    zoom = min(size[0] / wide, size[1] / tall)
    scaled = max(1, min(round(wide * zoom), size[0])), max(1, min(round(tall * zoom), size[1]))
    out = np.empty((size[1], size[0], 3), np.uint8)
    out[:] = THEME.panel
    y, x = (size[1] - scaled[1]) // 2, (size[0] - scaled[0]) // 2
    out[y : y + scaled[1], x : x + scaled[0]] = resize(picture, scaled, "lanczos" if zoom < 1 else "bicubic")
    return out
