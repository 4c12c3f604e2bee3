"""The way of one position through the epochs, drawn over the cloud."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.render.cloud.camera import Camera
from explorer.render.drawing.colours import Theme
from explorer.render.drawing.layout import Layout
from explorer.render.drawing.lines import Point, dashed, stroke
from explorer.render.drawing.text import disc
from explorer.render.epochs.epochs import smooth

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Trail:
    """A way.

    Attributes:
        places: (E, 3) where the position is in each epoch's map.
        beyond: (E - 1,) whether it moves beyond what another seed does.
    """

    places: NDArray[np.float64]
    beyond: tuple[bool, ...]

    def until(self, epoch: int) -> Trail:
        """The way up to an epoch."""
        return Trail(self.places[: epoch + 1], self.beyond[:epoch])

    def pieces(self, at: float) -> list[tuple[NDArray[np.float64], bool, bool]]:
        """The way's pieces: ends (2, 3), whether it counts as movement, and whether it lies behind."""
        found: list[tuple[NDArray[np.float64], bool, bool]] = []
        for step, counts in enumerate(self.beyond):
            start, end = self.places[step], self.places[step + 1]
            if step < at < step + 1:
                part = smooth(at - step)
                middle = start + (end - start) * part
                found.append((np.stack([start, middle]), counts, True))
                found.append((np.stack([middle, end]), counts, False))
            else:
                found.append((np.stack([start, end]), counts, step + 1 <= at))
        return found


def draw_trail(
    canvas: Image.Image, layout: Layout, theme: Theme, *, trail: Trail, camera: Camera, at: float
) -> None:
    """Draw a way: strong where it is behind, faint ahead; dashed where another seed moves as far."""
    place = layout.cloud
    box = (place.left, place.top, place.right, place.bottom)

    def pixels(points: NDArray[np.float64]) -> list[Point] | None:
        found, depth = camera.project(points, (place.width, place.height))
        if not np.isfinite(found).all() or (depth <= 0).any():
            return None
        return [(float(x) + place.left, float(y) + place.top) for x, y in found]

    for ends, counts, behind in sorted(trail.pieces(at), key=lambda piece: piece[2]):
        line = pixels(ends)
        if line is None:
            continue
        pieces = [tuple(line)] if counts else dashed(line, 6 * layout.scale, 7 * layout.scale)
        colour = theme.accent if behind else theme.muted
        for piece in pieces:
            stroke(canvas, piece, theme.page, (5.2 if behind else 4.0) * layout.scale, within=box)
        for piece in pieces:
            stroke(canvas, piece, colour, (2.6 if behind else 1.5) * layout.scale, within=box)
    marks = pixels(trail.places)
    for step, (x, y) in enumerate(marks or []):
        if place.contains(x, y):
            disc(canvas, (x, y), 4.6 * layout.scale, colour=theme.page)
            disc(canvas, (x, y), 3.2 * layout.scale, colour=theme.accent if step <= at else theme.muted)
