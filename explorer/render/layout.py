"""Where everything lies for a window of a given size, and what a pixel belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from explorer.errors import InputError

SMALLEST = (640, 480)
LARGEST = (16384, 16384)


@dataclass(frozen=True)
class Rect:
    """A rectangle in pixels from the left and top."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column beyond."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The first row beyond."""
        return self.top + self.height

    def contains(self, x: float, y: float) -> bool:
        """Whether a pixel lies inside."""
        return self.left <= x < self.right and self.top <= y < self.bottom


@dataclass(frozen=True)
class Layout:
    """The places of a page.

    Attributes:
        size: (width, height) of the whole.
        scale: how much larger than at 1600 × 900 text and margins are.
        header: title and facts.
        cloud: the point cloud's viewport.
        legend: what its colours mean.
        axes: how the projection's axes lie.
        panels: the four squares in which pictures are fitted.
        info: the selected position.
    """

    size: tuple[int, int]
    scale: float
    header: Rect
    cloud: Rect
    legend: Rect
    axes: Rect
    panels: tuple[Rect, Rect, Rect, Rect]
    info: Rect

    def px(self, length: float) -> int:
        """A length at 1600 × 900 in this page's pixels."""
        return max(1, round(length * self.scale))


@dataclass(frozen=True)
class Shown:
    """A picture on the page and the grid it shows.

    Attributes:
        place: where it was drawn.
        cells: (rows, columns) of the layer's grid over it, or None when it has none.
    """

    place: Rect
    cells: tuple[int, int] | None

    def cell(self, x: float, y: float) -> tuple[int, int] | None:
        """Row and column of the grid under a pixel."""
        if self.cells is None or not self.place.contains(x, y):
            return None
        row = int((y - self.place.top) * self.cells[0] / self.place.height)
        return row, int((x - self.place.left) * self.cells[1] / self.place.width)

    def box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of a cell in pixels."""
        rows, columns = self.cells or (1, 1)
        wide, tall = self.place.width / columns, self.place.height / rows
        left, top = self.place.left + column * wide, self.place.top + row * tall
        return left, top, left + wide, top + tall


def lay_out(size: tuple[int, int]) -> Layout:
    """Place everything for a window of `size` (width, height).

    Raises:
        InputError: too small to read, or larger than a graphics card draws.
    """
    width, height = int(size[0]), int(size[1])
    if not (SMALLEST[0] <= width <= LARGEST[0] and SMALLEST[1] <= height <= LARGEST[1]):
        raise InputError(
            f"size {width} × {height}: expected {SMALLEST[0]} × {SMALLEST[1]} to {LARGEST[0]} × {LARGEST[1]}"
        )
    scale = max(0.75, min(width / 1600, height / 900))

    def px(length: float) -> int:
        return max(1, round(length * scale))

    margin, gap, caption, foot = px(28), px(20), px(26), px(40)
    top = px(84)
    info_height = min(px(136), height // 4)
    # Two by two squares and the box below them must fit the height, and leave the cloud its room.
    tall = (height - top - margin - info_height - 2 * (caption + foot)) // 2
    side = max(48, min(tall, (int(width * (0.38 if width > 1.5 * height else 0.42)) - gap - margin) // 2))
    column = width - margin - 2 * side - gap
    panels = tuple(
        Rect(column + j * (side + gap), top + caption + i * (side + caption + foot), side, side)
        for i in range(2)
        for j in range(2)
    )
    below = panels[3].bottom + foot
    legend_height = px(82)
    corner = px(84)
    wide = column - 2 * margin - corner - px(8)
    legend = Rect(margin, height - margin - legend_height + px(14), wide, legend_height - px(6))
    return Layout(
        size=(width, height),
        scale=scale,
        header=Rect(margin, 0, width - 2 * margin, top),
        cloud=Rect(0, top, column - margin, legend.top - top - px(10)),
        legend=legend,
        axes=Rect(legend.right + px(8), legend.top - px(6), corner, legend_height),
        panels=(panels[0], panels[1], panels[2], panels[3]),
        info=Rect(column, below, 2 * side + gap, min(height - margin - below, px(180))),
    )
