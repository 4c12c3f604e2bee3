"""Where everything lies for a window of a given size, and what a pixel belongs to."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

from explorer.errors import InputError

SMALLEST = (640, 480)
LARGEST = (16384, 16384)
COMPACT = 1.3


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

    def meets(self, other: Rect) -> bool:
        """Whether two rectangles share a pixel."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom


@dataclass(frozen=True)
class Layout:
    """The places of a page.

    Attributes:
        size: (width, height) of the whole.
        scale: how much larger than at 1600 × 900 text and margins are.
        header: title and facts.
        bar: the window's buttons; None on a picture without any.
        cloud: the point cloud's viewport.
        second: that of another cloud beside it; None where there is none.
        slider: where slices of a volume are gone through in the window; None where there are none.
        legend: what its colours mean.
        axes: how the projection's axes lie.
        panels: the four places, of the pictures' shape, in which they are fitted; none beside a cloud alone.
        info: the position that is looked at; None beside a cloud alone.
        strip: small pictures of neighbours, or of what is selected; None where there is no room.
    """

    size: tuple[int, int]
    scale: float
    header: Rect
    bar: Rect | None
    cloud: Rect
    legend: Rect
    axes: Rect
    panels: tuple[Rect, ...]
    info: Rect | None
    strip: Rect | None
    second: Rect | None = None
    slider: Rect | None = None

    @property
    def caption(self) -> int:
        """How wide a panel's caption may be: as its column, which may be wider than the panel."""
        lefts = sorted({panel.left for panel in self.panels})
        if not lefts or self.info is None:
            return 0
        if len(lefts) == 1:
            return max(self.info.width, self.panels[0].width)
        return max(lefts[1] - lefts[0] - self.px(18), self.panels[0].width)

    def px(self, length: float) -> int:
        """A length at 1600 × 900 in this page's pixels."""
        return max(1, round(length * self.scale))

    def halves(self) -> Layout:
        """The same with two clouds side by side, the left one in place of the cloud."""
        gap, whole = self.px(2), self.cloud
        wide = (whole.width - gap) // 2
        left = Rect(whole.left, whole.top, wide, whole.height)
        return replace(self, cloud=left, second=Rect(whole.right - wide, whole.top, wide, whole.height))

    def swapped(self) -> Layout:
        """The same as the right one of two clouds sees it: its own place is the cloud's."""
        return self if self.second is None else replace(self, cloud=self.second, second=self.cloud)


def slice_at(layout: Layout, x: float, n: int) -> int:
    """Which of n slices the slider's knob stands for at a pixel."""
    left, right = track(layout)
    return min(max(round((x - left) / max(1, right - left) * (n - 1)), 0), n - 1)


def track(layout: Layout) -> tuple[int, int]:
    """Where the slider's line begins and ends, from the left."""
    assert layout.slider is not None  # the caller looked
    return layout.slider.left + layout.px(58), layout.slider.right - layout.px(86)


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


@functools.lru_cache(maxsize=32)
def lay_out(
    size: tuple[int, int],
    aspect: float = 1.0,
    *,
    bar: bool = False,
    alone: bool = False,
    pair: bool = False,
    slices: bool = False,
) -> Layout:
    """Place everything for a window of `size` (width, height).

    Args:
        size: (width, height) in pixels.
        aspect: the pictures' width over their height: the panels have it too.
        bar: whether there is a row of buttons.
        alone: whether the cloud has the whole width, without heatmaps beside it.
        pair: whether two clouds share the cloud's place.
        slices: whether a slider stands above the heatmaps.

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

    margin, top = px(28), px(84)
    buttons = Rect(margin, top, width - 2 * margin, px(34)) if bar else None
    top += px(46) if bar else 0
    panels: tuple[Rect, ...] = ()
    info, strip, slider, left = None, None, None, width - margin
    if not alone:
        share = (0.34 if pair else 0.47) if width > 1.3 * height else (0.36 if pair else 0.44)
        above = px(34) if slices else 0
        panels, info, strip = _column((width, height), top=top + above, aspect=aspect, share=share, px=px)
        left = min(info.left, *(panel.left for panel in panels))
        slider = Rect(info.left, top, info.width, px(28)) if slices else None
    legend_height, corner = px(104), px(84)
    wide = left - (1 if alone else 2) * margin - corner - px(8)
    legend = Rect(margin, height - margin - legend_height + px(14), wide, legend_height - px(6))
    laid = Layout(
        size=(width, height),
        scale=scale,
        header=Rect(margin, 0, width - 2 * margin, px(84)),
        bar=buttons,
        cloud=Rect(0, top, width if alone else left - margin, legend.top - top - px(10)),
        legend=legend,
        axes=Rect(legend.right + px(8), legend.bottom - px(82), corner, px(82)),
        panels=panels,
        info=info,
        strip=strip,
        slider=slider,
    )
    return laid.halves() if pair else laid


def _column(
    size: tuple[int, int], *, top: int, aspect: float, share: float, px: Callable[[float], int]
) -> tuple[tuple[Rect, Rect, Rect, Rect], Rect, Rect | None]:
    """The right-hand column: panels in the arrangement that shows pictures of this shape largest."""
    (width, height), margin = size, px(28)
    gap, caption, foot = px(18), px(24), px(36)
    info = px(128)
    strip = px(92) if height - top > px(560) else 0
    tall = height - top - margin - info - strip
    wide = int(width * share) - margin
    shapes = []
    for rows, columns in ((2, 2), (4, 1), (1, 4)):
        most = (wide - (columns - 1) * gap) / columns, tall / rows - caption - foot
        w = max(24.0, min(most[0], most[1] * aspect))
        # Two by two leaves the cloud most room: another arrangement must be worth it.
        worth = w * w / aspect * (COMPACT if rows == columns else 1.0)
        shapes.append((worth, rows, columns, int(w), max(12, int(w / aspect))))
    _, rows, columns, w, h = max(shapes, key=lambda shape: (shape[0], shape[1] == 2))
    across = max(columns * w + (columns - 1) * gap, min(px(450), wide))
    left = width - margin - across
    pitch = (across + gap) // columns  # in columns of equal width, as the words and pictures below them
    step = h + caption + foot
    places = [
        Rect(left + column * pitch, top + caption + row * step, w, h)
        for row in range(rows)
        for column in range(columns)
    ]
    below = places[3].bottom + foot
    # What pictures of this shape leave free goes to the words below them, up to what they can use.
    spare = height - margin - below - info - strip
    box = Rect(left, below, across, info + min(max(0, spare), px(64)))
    row = Rect(left, box.bottom + px(10), across, strip - px(10)) if strip else None
    return (places[0], places[1], places[2], places[3]), box, row
