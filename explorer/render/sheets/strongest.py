"""The pictures of a data set that a channel answers to most, cropped around the position that does."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.explain.crops import Crops, cut
from explorer.render.drawing.colours import THEMES, Colour
from explorer.render.drawing.heatmap import resize
from explorer.render.sheets.grid_source import Source

Spans = tuple[tuple[int, int], ...]
Crop = Callable[[tuple[int, ...]], Spans]
"""The pixels of the picture that a position stands for: ((top, bottom), (left, right)), ends excluded."""
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
        self._source = source
        self._dead = set(source.statistics.dead())
        self._held: dict[int, NDArray[np.uint8]] = {}
        shape, spatial = (int(first.shape[0]), int(first.shape[1])), (source.spatial[0], source.spatial[1])
        usual = Crops(shape, spatial, source.field)
        self._crop: Crop = crop or usual.spans
        how = usual.words if crop is None else "to what the position sees"
        which = "the strongest picture" if self.n == 1 else f"the {self.n} strongest pictures"
        where = "its strongest position" if self.n == 1 else "the strongest position of each"
        self.words = f"beside each map: {which} of {source.shape[0]:,}, {where} cropped {how}"

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
        rows, columns = self._crop(position)
        return cut(self._held[image], (rows, columns), THEME.rule)


def fitted(picture: NDArray[Any], size: tuple[int, int], plate: Colour = THEME.panel) -> NDArray[np.uint8]:
    """A picture as large as fits into (width, height), in the middle of a plain plate."""
    tall, wide = picture.shape[:2]
    zoom = min(size[0] / wide, size[1] / tall)
    scaled = max(1, min(round(wide * zoom), size[0])), max(1, min(round(tall * zoom), size[1]))
    out = np.empty((size[1], size[0], 3), np.uint8)
    out[:] = plate
    y, x = (size[1] - scaled[1]) // 2, (size[0] - scaled[0]) // 2
    out[y : y + scaled[1], x : x + scaled[0]] = resize(picture, scaled, "lanczos" if zoom < 1 else "bicubic")
    return out
