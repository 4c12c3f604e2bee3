"""Selecting by dragging: box, lasso and sphere over the cloud, rectangle and brush over a heatmap."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.render.cloud.camera import spatial
from explorer.render.drawing.colours import Theme
from explorer.render.drawing.layout import Layout, Shown
from explorer.render.linked.plane import cells
from explorer.render.linked.scene import Scene

if TYPE_CHECKING:
    from PIL import Image

TOOLS = ("turn", "box", "lasso", "sphere", "brush")
SAYS = {
    "turn": "drag to turn; on a heatmap a drag selects a rectangle",
    "box": "drag a box over the cloud or a heatmap; shift adds, ctrl removes",
    "lasso": "draw round points; shift adds, ctrl removes",
    "sphere": "drag outwards from a point; shift adds, ctrl removes",
    "brush": "paint over a heatmap; shift adds, ctrl removes",
}


@dataclass
class Stroke:
    """A selection while it is drawn.

    Attributes:
        kind: "box", "lasso", "sphere", "cells" or "brush".
        how: what becomes of what was selected before.
        visible: whether only what is seen is taken.
        path: the pixels the mouse went through.
        shown: the heatmap it is drawn on, or None.
        painted: (rows, columns) cells the brush met, or None.
    """

    kind: str
    how: str
    visible: bool
    path: list[tuple[float, float]] = field(default_factory=list)
    shown: Shown | None = None
    painted: NDArray[np.bool_] | None = None

    def add(self, x: float, y: float) -> None:
        """The mouse is at a pixel."""
        if self.kind == "lasso" and self.path and math.dist(self.path[-1], (x, y)) < 2:
            return
        if self.kind == "brush" and self.shown is not None and self.painted is not None:
            before = self.path[-1] if self.path else (x, y)
            steps = max(1, int(math.dist(before, (x, y)) // 2))
            for part in np.linspace(0, 1, steps + 1):
                met = self.shown.cell(*(np.array(before) * (1 - part) + np.array((x, y)) * part))
                if met is not None:
                    self.painted[met] = True
        if self.kind in ("lasso", "brush") or len(self.path) < 2:
            self.path.append((x, y))
        else:
            self.path[1] = (x, y)


def begin(scene: Scene, tool: str, at: tuple[float, float], *, how: str, visible: bool) -> Stroke | None:
    """Start a selection at a pixel of the last picture; None where there is nothing to select."""
    if scene.layout.cloud.contains(*at):
        if tool in ("turn", "brush"):
            return None
        stroke = Stroke(tool, how, visible)
    else:
        page = scene.page(scene.size, interactive=True)
        shown = next((one for one in page.shown if one.cell(*at) is not None), None)
        if shown is None:
            return None
        stroke = Stroke("brush" if tool == "brush" else "cells", how, visible, shown=shown)
        if tool == "brush":
            stroke.painted = np.zeros(cells(scene.state) or (1, 1), bool)
    stroke.add(*at)
    return stroke


def finish(scene: Scene, stroke: Stroke) -> int | None:
    """Select what a stroke means; returns how many positions are selected now, None for no selection."""
    if len(stroke.path) < 2:
        return None
    how, visible = stroke.how, stroke.visible
    if stroke.kind == "box":
        scene.select_box((*stroke.path[0], *stroke.path[1]), how=how, visible=visible)
    elif stroke.kind == "lasso":
        if len(stroke.path) < 3:
            return None
        scene.select_lasso(stroke.path, how=how, visible=visible)
    elif stroke.kind == "sphere":
        centre, radius = sphere(scene, stroke)
        scene.select_sphere(centre, radius, how=how, visible=visible)
    elif stroke.kind == "brush" and stroke.painted is not None:
        scene.select_mask(scene.image, stroke.painted, how=how)
    elif stroke.shown is not None:
        corners = [_clamped(stroke.shown, *at) for at in stroke.path]
        scene.select_cells(scene.image, (*corners[0], *corners[1]), how=how)
    return len(scene.selection)


def _clamped(shown: Shown, x: float, y: float) -> tuple[int, int]:
    """The cell of a heatmap under a pixel, or the nearest one where the pixel lies beside it."""
    place = shown.place
    inside = min(max(x, place.left), place.right - 1), min(max(y, place.top), place.bottom - 1)
    found = shown.cell(*inside)
    assert found is not None  # a stroke begins only on a picture that has cells
    return found


def sphere(scene: Scene, stroke: Stroke) -> tuple[list[float], float]:
    """Centre and radius in the projection's coordinates: about the point under the first pixel.

    Where no point is, the centre lies there at the distance of what the camera looks at.
    """
    (x0, y0), (x1, y1) = stroke.path[0], stroke.path[-1]
    place, view = scene.layout.cloud, scene.view
    row, n = scene.pick(x0, y0), scene.projection.n_components
    back = view.basis()[2]
    if row is not None:
        centre = spatial(scene.projection.coordinates[row : row + 1])[0]
        away = float(np.dot(np.subtract(view.position, centre), back))
    else:
        away = float(np.dot(np.subtract(view.position, view.focal_point), back))
    tall = math.tan(math.radians(view.view_angle / 2)) * away
    tall = view.parallel_scale if view.parallel_scale is not None else tall
    unit = 2 * tall / place.height
    if row is None:
        right, up, _ = view.basis()
        dx, dy = x0 - place.left - place.width / 2, y0 - place.top - place.height / 2
        centre = np.array(view.position) - away * back + unit * (dx * right - dy * up)
    return [float(part) for part in centre[:n]], math.hypot(x1 - x0, y1 - y0) * unit


def draw_stroke(canvas: Image.Image, layout: Layout, theme: Theme, *, stroke: Stroke) -> None:
    """Draw a selection while it is made."""
    from PIL import ImageDraw

    if len(stroke.path) < 2 and stroke.kind != "brush":
        return
    draw, thick = ImageDraw.Draw(canvas), layout.px(2)
    (x0, y0), (x1, y1) = stroke.path[0], stroke.path[-1]
    if stroke.kind == "brush" and stroke.shown is not None and stroke.painted is not None:
        for row, column in np.argwhere(stroke.painted).tolist():
            draw.rectangle(stroke.shown.box(row, column), outline=theme.accent, width=thick)
    elif stroke.kind == "cells" and stroke.shown is not None:
        boxes = [stroke.shown.box(*_clamped(stroke.shown, *at)) for at in stroke.path]
        low, high = np.min(boxes, axis=0)[:2], np.max(boxes, axis=0)[2:]
        draw.rectangle((*low, *high), outline=theme.accent, width=thick)
    elif stroke.kind == "box":
        edge = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
        draw.rectangle(edge, outline=theme.accent, width=thick)
    elif stroke.kind == "lasso":
        draw.line([*stroke.path, stroke.path[0]], fill=theme.accent, width=thick, joint="curve")
    else:
        r = math.dist((x0, y0), (x1, y1))
        draw.ellipse((x0 - r, y0 - r, x0 + r, y0 + r), outline=theme.accent, width=thick)
