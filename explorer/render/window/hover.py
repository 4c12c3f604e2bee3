"""What lies under a resting mouse: a point's picture beside it, a heatmap's position in the cloud."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.render.drawing.colours import Theme
from explorer.render.drawing.layout import Layout, Rect
from explorer.render.drawing.text import disc, font, number, rounded, width, write
from explorer.render.linked.focus import focus_on, moved
from explorer.render.linked.plane import cell_at, position_at
from explorer.render.linked.scene import Scene
from explorer.render.linked.strip_drawing import draw_thumb
from explorer.render.linked.strips import about
from explorer.render.linked.words import where

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Hover:
    """What the mouse is over.

    Attributes:
        at: (image, *position), or (image,) of a picture as a whole; () over a name.
        mouse: the pixel.
        place: "cloud", "map", "strip" or "name".
        name: the class whose name it is.
    """

    at: tuple[int, ...]
    mouse: tuple[float, float]
    place: str
    name: str = ""


def named_at(scene: Scene, x: float, y: float) -> str | None:
    """The class whose name lies under a pixel of the cloud."""
    return next((centre.name for place, centre in scene.names() if place.contains(x, y)), None)


def hovered(scene: Scene, x: float, y: float) -> Hover | None:
    """What lies under a pixel of the last picture, or None."""
    name = named_at(scene, x, y)
    if name is not None:
        return Hover((), (x, y), "name", name)
    row = scene.pick(x, y)
    if row is not None:
        return Hover(scene.state.position_of(row), (x, y), "cloud")
    page = scene.page(scene.size, interactive=True)
    cell = page.cell(x, y)
    if cell is not None:
        return Hover((scene.image, *position_at(scene.state, *cell)), (x, y), "map")
    link = page.link(x, y)
    return None if link is None else Hover(link, (x, y), "strip")


def draw_hover(canvas: Image.Image, layout: Layout, theme: Theme, *, scene: Scene, hover: Hover) -> None:
    """Draw it: a thin ring in the cloud, a thin outline on the heatmaps, and over a point its picture."""
    from PIL import ImageDraw

    state, draw = scene.state, ImageDraw.Draw(canvas)
    if hover.place == "name":
        _tip(canvas, layout, theme, words=f"click selects all of {hover.name}", mouse=hover.mouse)
        return
    if len(hover.at) == len(state.values.grid_shape):
        found = focus_on(state.projection, state.rows, hover.at, state.label(hover.at[0]))
        pixel = None if found.nearest is None else scene.pixel(found.nearest)
        if pixel is not None:
            _ring(canvas, layout, theme, pixel)
        cell = cell_at(state, hover.at)
        if cell is not None:
            for shown in scene.page(scene.size, interactive=True).shown:
                if shown.cells is not None:
                    left, top, right, bottom = shown.box(*cell)
                    draw.rectangle(
                        (left - 1, top - 1, right, bottom), outline=theme.halo, width=layout.px(1.5)
                    )
    if hover.place != "map":
        _card(canvas, layout, theme, scene=scene, hover=hover)


def draw_other(canvas: Image.Image, theme: Theme, *, scene: Scene, where: Scene, hover: Hover) -> None:
    """Ring the hovered place in the other one of two clouds too."""
    if scene.twin is None or len(hover.at) != len(where.state.values.grid_shape):
        return
    other = scene.twin if where is scene else scene
    at = moved(hover.at, where.state.values.grid_shape, other.state.values.grid_shape)
    if at is None:
        return
    found = focus_on(other.projection, other.state.rows, at, None)
    pixel = None if found.nearest is None else other.pixel(found.nearest)
    if pixel is not None:
        _ring(canvas, other.layout, theme, pixel)


def _ring(canvas: Image.Image, layout: Layout, theme: Theme, pixel: tuple[float, float]) -> None:
    r = 9 * layout.scale
    disc(canvas, pixel, r + layout.px(1.5), colour=theme.page, hollow=r - 3 * layout.scale)
    disc(canvas, pixel, r, colour=theme.text, hollow=r - 2 * layout.scale)


def _tip(
    canvas: Image.Image, layout: Layout, theme: Theme, *, words: str, mouse: tuple[float, float]
) -> None:
    """A line of words beside the mouse."""
    from PIL import ImageDraw

    px, face = layout.px, font(layout.px(12))
    wide = min(width(words, face), px(320)) + px(20)
    left = min(round(mouse[0]) + px(14), layout.size[0] - wide)
    top = min(round(mouse[1]) + px(14), layout.size[1] - px(26))
    rounded(canvas, (left, top, wide, px(26)), px(6), fill=theme.page, outline=theme.muted)
    at = (left + px(10), top + px(13))
    write(ImageDraw.Draw(canvas), at, words, face=face, fill=theme.text, anchor="lm", limit=px(320))


def _card(canvas: Image.Image, layout: Layout, theme: Theme, *, scene: Scene, hover: Hover) -> None:
    """The picture about a position, with its name, label, place and value, beside the mouse."""
    from PIL import ImageDraw

    px, strong, plain = layout.px, font(layout.px(12), "Bold"), font(layout.px(12))
    lines = card_words(scene, hover.at)
    side = px(74)
    words = max(width(lines[0], strong), *(width(line, plain) for line in lines[1:]), px(60))
    wide, tall = side + px(34) + min(words, px(240)), side + px(20)
    left = hover.mouse[0] + px(18)
    if left + wide > layout.size[0]:
        left = hover.mouse[0] - px(18) - wide
    top = min(max(0, hover.mouse[1] - tall / 2), layout.size[1] - tall)
    box = (max(0, round(left)), round(top), wide, tall)
    rounded(canvas, box, px(8), fill=theme.page, outline=theme.muted)
    place = Rect(box[0] + px(10), box[1] + px(10), side, side)
    draw_thumb(canvas, layout, theme, thumb=about(scene.state, hover.at, ""), place=place)
    draw = ImageDraw.Draw(canvas)
    x, y = place.right + px(12), place.top + px(12)
    for index, line in enumerate(lines):
        face, ink = (strong, theme.text) if index == 0 else (plain, theme.muted)
        write(draw, (x, y + index * px(18)), line, face=face, fill=ink, limit=wide - side - px(32))


def card_words(scene: Scene, at: tuple[int, ...]) -> list[str]:
    """Name, label, place, and what the colours mean there where they are numbers."""
    state = scene.state
    lines = [state.run.image_names[at[0]]]
    label = state.label(at[0])
    lines += [] if label is None else [f"label {label}"]
    place = where(at[1:])
    lines += [place] if place else []
    if len(at) == len(state.values.grid_shape) and state.colour != "rgb":
        found = focus_on(state.projection, state.rows, at, label)
        quantity = state.quantity(state.colour)
        if found.row is not None and state.colour not in ("label", "row", "column", "image"):
            value = quantity.values[found.row]
            named = quantity.names[int(value)] if quantity.names else number(float(value))
            lines.append(f"{state.colour.removeprefix('metadata:')} {named}")
    return lines[:4]
