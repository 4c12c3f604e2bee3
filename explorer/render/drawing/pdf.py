"""A drawing as PDF, by Matplotlib: words with their font embedded, cells as rectangles."""

from __future__ import annotations

import warnings
from io import BytesIO
from typing import Any

import numpy as np

from explorer.render.drawing.colours import Colour
from explorer.render.drawing.shapes import Box, Cells, Disc, Drawing, Raster, Region, Shape, Strokes, Words

OVERLAP = 0.15  # points by which cells reach under their neighbours: no viewer shows a line between


def save_pdf(drawing: Drawing, memory: BytesIO, title: str) -> None:
    """Write one page; a pixel of the drawing is a point of the page."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure

    wide, tall = drawing.size
    fonts = {"pdf.fonttype": 42, "font.family": "DejaVu Sans", "path.simplify": False}
    with rc_context(fonts), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # drawn as a box, as on the screen
        figure = Figure(figsize=(wide / 72, tall / 72), dpi=72)
        figure.patch.set_visible(False)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set(xlim=(0, wide), ylim=(tall, 0), autoscale_on=False)
        for order, shape in enumerate(drawing.shapes):
            _draw(axes, shape, order)
        metadata = {"Title": title, "Creator": "activation-explorer", "CreationDate": None}
        FigureCanvasPdf(figure).print_pdf(memory, metadata=metadata)


def _draw(axes: Any, shape: Shape, order: int) -> None:
    """One shape; later ones lie over earlier ones."""
    match shape:
        case Words():
            _words(axes, shape, order)
        case Box():
            _box(axes, shape, order)
        case Disc(centre=centre, radius=radius, colour=colour, thick=thick):
            from matplotlib.patches import Circle

            look = {"fill": False, "edgecolor": _part(colour), "linewidth": thick}
            plain = {"facecolor": _part(colour), "linewidth": 0}
            axes.add_patch(Circle(centre, radius, zorder=order, **(look if thick else plain)))
        case Strokes():
            from matplotlib.collections import LineCollection

            look = {"colors": [_part(shape.colour)], "linewidths": shape.thick, "capstyle": "round"}
            axes.add_collection(LineCollection(shape.lines, zorder=order, **look), autolim=False)
        case Region():
            from matplotlib.patches import PathPatch
            from matplotlib.path import Path as Outline

            closed = [
                Outline([(x, y), (x + w, y), (x + w, y + h), (x, y + h), (x, y)], closed=True)
                for x, y, w, h in shape.boxes
            ]
            whole = Outline.make_compound_path(*closed)
            look = {"facecolor": _part(shape.colour), "alpha": shape.opacity, "linewidth": 0}
            axes.add_patch(PathPatch(whole, zorder=order, **look))
        case Cells():
            _cells(axes, shape, order)
        case Raster():
            _raster(axes, shape, order)


def _words(axes: Any, words: Words, order: int) -> None:
    from matplotlib.patheffects import Stroke

    x, y = words.at
    weight = "bold" if words.bold else "normal"
    # Where the figure has 72 dots an inch, a point of type is a pixel of the page.
    look = {"fontsize": words.size, "fontweight": weight, "parse_math": False, "va": "baseline"}
    if words.halo is not None:
        colour, thick = words.halo
        behind = axes.text(x, y, words.text, color=_part(colour), zorder=order, **look)
        behind.set_path_effects([Stroke(linewidth=2 * thick, foreground=_part(colour), joinstyle="round")])
    axes.text(x, y, words.text, color=_part(words.colour), zorder=order, **look)


def _box(axes: Any, box: Box, order: int) -> None:
    from matplotlib.patches import FancyBboxPatch, Rectangle

    (x, y, w, h), inset = box.place, box.thick / 2
    look: dict[str, Any] = {"linewidth": box.thick, "zorder": order}
    look["facecolor"] = "none" if box.fill is None else _part(box.fill)
    look["edgecolor"] = "none" if box.line is None else _part(box.line)
    if box.radius:
        round_corners = f"round,pad=0,rounding_size={box.radius}"
        axes.add_patch(FancyBboxPatch((x, y), w, h, boxstyle=round_corners, mutation_aspect=1, **look))
        return
    size = max(w - box.thick, 0), max(h - box.thick, 0)
    axes.add_patch(Rectangle((x + inset, y + inset), *size, joinstyle="miter", **look))


def _cells(axes: Any, cells: Cells, order: int) -> None:
    from matplotlib.collections import PolyCollection

    left, top, wide, tall = cells.place
    rows, columns = cells.colours.shape[:2]
    x = left + np.arange(columns + 1) * wide / columns
    y = top + np.arange(rows + 1) * tall / rows
    x0, y0 = (grid.ravel() for grid in np.meshgrid(x[:-1], y[:-1]))
    x1, y1 = (grid.ravel() for grid in np.meshgrid(x[1:] + OVERLAP, y[1:] + OVERLAP))
    x1, y1 = np.minimum(x1, left + wide), np.minimum(y1, top + tall)
    corners: Any = np.stack([[x0, x1, x1, x0], [y0, y0, y1, y1]]).transpose(2, 1, 0)
    colours = cells.colours.reshape(-1, 3) / 255
    look: dict[str, Any] = {"facecolors": colours, "linewidths": 0, "edgecolors": "none"}
    axes.add_collection(PolyCollection(corners, zorder=order, **look), autolim=False)


def _raster(axes: Any, raster: Raster, order: int) -> None:
    from matplotlib.image import AxesImage
    from matplotlib.patches import Rectangle

    x, y, w, h = raster.place
    # "none" embeds the pixels as they are; who shows the page scales them.
    image = AxesImage(axes, extent=(x, x + w, y + h, y), origin="upper", interpolation="none")
    image.set_data(raster.pixels)
    image.set_zorder(order)
    axes.add_image(image)
    # Some viewers draw pictures a pixel too large.
    image.set_clip_path(Rectangle((x, y), w, h, transform=axes.transData))


def _part(colour: Colour) -> tuple[float, float, float]:
    red, green, blue = colour
    return red / 255, green / 255, blue / 255
