"""A sheet: pictures, plates and lines of text in their places, as pixels or as a vector drawing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.render.drawing.colours import Colour
from explorer.render.drawing.text import elide, font, printable
from explorer.render.files import SUFFIXES, held, save_picture

if TYPE_CHECKING:
    from PIL import Image

Box = tuple[int, int, int, int]
"""Left, top, width and height in pixels."""
VECTOR = (".svg", ".pdf")
COMPRESS = 3  # half the time of Pillow's 6, for files some percent larger
ACROSS = {"l": "left", "m": "center", "r": "right"}
DOWN = {"s": "baseline", "m": "center_baseline", "t": "top"}


@dataclass(frozen=True)
class Patch:
    """A picture (height, width, 3), `zoom` pixels of it to one of the sheet."""

    at: tuple[int, int]
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Plate:
    """A rectangle, filled or outlined."""

    box: Box
    fill: Colour | None = None
    outline: Colour | None = None
    radius: int = 0


@dataclass(frozen=True)
class Line:
    """One line of text; `anchor` as Pillow's: "ls" is the left end of the baseline."""

    at: tuple[int, int]
    text: str
    size: int
    fill: Colour
    style: str = ""
    anchor: str = "ls"


@dataclass
class Sheet:
    """What is drawn where, back to front.

    Places and sizes are in units of `zoom` pixels, so that a large sheet has large letters.

    Attributes:
        size: width and height in pixels.
        page: the colour behind everything.
        zoom: pixels to a unit.
        items: what was drawn so far.
    """

    size: tuple[int, int]
    page: Colour
    zoom: int = 1
    items: list[Patch | Plate | Line] = field(default_factory=list)

    def paste(self, at: tuple[float, float], pixels: NDArray[np.uint8]) -> None:
        """Put a picture, `zoom` times as many pixels as units, with its left top corner here."""
        self.items.append(Patch((round(at[0]), round(at[1])), pixels))

    def plate(
        self, box: Box, *, fill: Colour | None = None, outline: Colour | None = None, radius: int = 0
    ) -> None:
        """Draw a rectangle."""
        self.items.append(Plate(box, fill, outline, radius))

    def write(
        self,
        at: tuple[float, float],
        text: str,
        *,
        size: int,
        fill: Colour,
        style: str = "",
        anchor: str = "ls",
        limit: float | None = None,
    ) -> None:
        """Write a line, elided in its middle to `limit` units."""
        line = printable(text) if limit is None else elide(text, font(size, style), limit)
        self.items.append(Line((round(at[0]), round(at[1])), line, size, fill, style, anchor))

    @property
    def words(self) -> list[str]:
        """Every line of text, in the order it was written."""
        return [item.text for item in self.items if isinstance(item, Line)]

    def picture(self) -> Image.Image:
        """The sheet as pixels."""
        from PIL import Image, ImageDraw

        canvas = Image.new("RGB", self.size, self.page)
        draw, zoom = ImageDraw.Draw(canvas), self.zoom
        for item in self.items:
            if isinstance(item, Patch):
                canvas.paste(Image.fromarray(item.pixels), (item.at[0] * zoom, item.at[1] * zoom))
            elif isinstance(item, Plate):
                x, y, wide, tall = (part * zoom for part in item.box)
                corners = (x, y, x + wide - 1, y + tall - 1)
                draw.rounded_rectangle(
                    corners, item.radius * zoom, fill=item.fill, outline=item.outline, width=zoom
                )
            else:
                face, at = font(item.size * zoom, item.style), (item.at[0] * zoom, item.at[1] * zoom)
                draw.text(at, item.text, font=face, fill=item.fill, anchor=item.anchor)
        return canvas

    def drawing(self) -> Any:
        """The sheet as a matplotlib figure of one axes, in its units; SVG and PDF are written from it."""
        from matplotlib.figure import Figure

        wide, tall = self.size[0] / self.zoom, self.size[1] / self.zoom
        figure = Figure(figsize=(wide / 72, tall / 72), dpi=72, facecolor=_part(self.page))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        for order, item in enumerate(self.items):
            if isinstance(item, Patch):
                (x, y), (rows, columns) = item.at, (part / self.zoom for part in item.pixels.shape[:2])
                reach = (x, x + columns, y + rows, y)
                axes.imshow(item.pixels, extent=reach, interpolation="none", zorder=order, aspect="auto")
            elif isinstance(item, Plate):
                axes.add_patch(_rectangle(item, order))
            else:
                axes.text(
                    *item.at, item.text, fontsize=item.size, color=_part(item.fill), zorder=order,
                    fontfamily="DejaVu Sans", fontweight="bold" if item.style == "Bold" else "normal",
                    ha=ACROSS[item.anchor[0]], va=DOWN[item.anchor[1]], parse_math=False,
                )  # fmt: skip
        axes.set(xlim=(0, wide), ylim=(tall, 0))
        return figure

    def save(self, path: str | Path) -> Path:
        """Write PNG, JPEG, SVG or PDF, by the file's suffix; text stays text in the last two.

        Raises:
            InputError: another suffix.
            RenderError: the file cannot be written.
        """
        target = check_sheet_suffix(path)
        if target.suffix.lower() not in VECTOR:
            return save_picture(self.picture(), target, compress_level=COMPRESS)
        import matplotlib as mpl

        kind = target.suffix.lower().removeprefix(".")
        # No date and no random names: the same sheet is the same file.
        undated = {"Date": None} if kind == "svg" else {"CreationDate": None}
        settings = {"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "activation-explorer"}
        with held(target) as memory, mpl.rc_context({**settings, "image.composite_image": False}):
            self.drawing().savefig(memory, format=kind, metadata=undated, dpi=72)
        return target


def check_sheet_suffix(path: str | Path) -> Path:
    """The path, when its suffix is one that a sheet is written as.

    Raises:
        InputError: it has another suffix, or none.
    """
    target = Path(path)
    if target.suffix.lower() not in (*SUFFIXES, *VECTOR):
        raise InputError(f"{target}: a grid is written as {', '.join((*SUFFIXES, *VECTOR))}")
    return target


def _rectangle(plate: Plate, order: int) -> Any:
    from matplotlib.patches import FancyBboxPatch

    x, y, wide, tall = plate.box
    return FancyBboxPatch(
        (x + 0.5, y + 0.5), wide - 1, tall - 1, zorder=order, linewidth=1 if plate.outline else 0,
        facecolor="none" if plate.fill is None else _part(plate.fill),
        edgecolor="none" if plate.outline is None else _part(plate.outline),
        boxstyle=f"round,pad=0,rounding_size={plate.radius}" if plate.radius else "square,pad=0",
    )  # fmt: skip


def _part(colour: Colour) -> tuple[float, float, float]:
    return colour[0] / 255, colour[1] / 255, colour[2] / 255
