"""What lies at a pixel of a scene's last picture, and where on it a position lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.render.cloud.camera import spatial
from explorer.render.linked.focus import Focus
from explorer.render.linked.pictured import Pictured
from explorer.render.linked.plane import position_at

if TYPE_CHECKING:
    from explorer.render.linked.page import Page

REACH = 8.0  # pixels at 1600 × 900 within which a click still means a point


class Pointing(Pictured):
    """The part of a scene that is pointed at; `Scene` brings state, cloud and page."""

    def last_page(self) -> Page:
        """The last picture's page."""
        raise NotImplementedError

    def pixel(self, row: int) -> tuple[float, float] | None:
        """Where a row of the projection is on the last picture, from left and top; None out of sight."""
        place = self.layout.cloud
        point: NDArray[np.float64] = spatial(self.state.projection.coordinates[row : row + 1])
        pixels, depth = self.view.project(point, (place.width, place.height))
        if not np.isfinite(pixels).all() or depth[0] <= 0:
            return None
        x, y = float(pixels[0, 0]) + place.left, float(pixels[0, 1]) + place.top
        return (x, y) if place.contains(x, y) else None

    def pick(self, x: float, y: float) -> int | None:
        """The row of the projection that is seen at a pixel of the last picture, or None."""
        layout = self.layout
        place = layout.cloud
        if not place.contains(x, y):
            return None
        at, size = (x - place.left, y - place.top), (place.width, place.height)
        return self.cloud.pick(self.view, size, at=at, reach=REACH * layout.scale, look=self.look())

    def click(self, x: float, y: float) -> Focus | None:
        """Look at what lies at a pixel of the last picture: a point, a position on a heatmap, a neighbour.

        It is selected too, unless more than one position is: a wider selection stays.
        """
        row, state = self.pick(x, y), self.state
        at = None if row is None else state.position_of(row)
        if at is None:
            page = self.last_page()
            cell = page.cell(x, y)
            at = page.link(x, y) if cell is None else (state.image, *position_at(state, *cell))
        if at is None:
            return None
        if len(at) == 1 and state.values.spatial:  # a picture of the strip, and no position in it
            state.image = at[0]
            return None
        return state.look(*at) if state.wide else state.select(*at)
