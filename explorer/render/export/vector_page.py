"""The picture as SVG or PDF: words, legend and maps stay sharp at any size, the cloud is twice as fine."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from explorer.render.drawing.shapes import Box, Drawing, Raster
from explorer.render.export.exporting import Options
from explorer.render.files import held, save_text
from explorer.render.linked.page import draw_page
from explorer.render.linked.paper import SIZE, Paper, see_through

if TYPE_CHECKING:
    from PIL import Image

    from explorer.render.drawing.colours import Colour
    from explorer.render.linked.scene import Scene

FINER = 2


def export_page(scene: Scene, path: Path, options: Options | None = None) -> None:
    """Write the picture as one page, .svg or .pdf; its pixels at 1600 × 900 are the page's points.

    Text, legend, axes and maps of up to 20,000 positions are shapes. The cloud, photographs, and maps laid
    over a photograph are embedded as pixels: of the cloud and such maps twice as many as on the screen.

    Args:
        scene: what is drawn.
        path: the file.
        options: `size`, `transparent` and `alone` are looked at.

    Raises:
        InputError: a size that is too small.
        RenderError: no picture can be made here, or the file cannot be written.
    """
    options = options or Options()
    title = f"{scene.state.run.name}, {scene.projection.layer}, {scene.projection.method}"
    with scene.aside():
        drawing = drawn_page(scene, Paper(options.size or SIZE, alone=options.alone), options.transparent)
    if path.suffix.lower() == ".pdf":
        from explorer.render.drawing.pdf import save_pdf

        with held(path) as memory:
            save_pdf(drawing, memory, title)
    else:
        from explorer.render.drawing.svg import svg

        save_text(svg(drawing, title), path)


def drawn_page(scene: Scene, sheet: Paper, transparent: bool) -> Drawing:
    """The page on a sheet as shapes; the scene's last picture is this one then."""
    scene.sheet = sheet = scene.part_of(sheet)
    layout, theme = scene.layout, sheet.theme(scene.state)
    drawing = Drawing(sheet.size)
    if not transparent:
        drawing.shapes.append(Box((0, 0, *sheet.size), theme.page))
    draw_page(drawing, layout, theme, content=scene.content(layout))  # type: ignore[arg-type]
    place = layout.cloud
    draw = partial(_cloud, scene, sheet)
    cloud = see_through(draw) if transparent else draw(paper=None)
    box = (place.left, place.top, place.width, place.height)
    drawing.shapes.append(Raster(box, np.asarray(cloud)))
    scene.sheet = sheet
    scene.draw_marks(drawing)  # type: ignore[arg-type]
    if scene.twin is not None:
        _beside(drawing, scene, sheet, transparent)
    return drawing


def _beside(drawing: Drawing, scene: Scene, sheet: Paper, transparent: bool) -> None:
    """The second cloud in its half, with its marks."""
    from explorer.render.linked.beside import draw_captions

    twin = scene.twin
    assert twin is not None  # the caller looked
    twin.mirror()
    place = twin.layout.cloud
    draw = partial(_cloud, twin, replace(sheet, part=2))
    cloud = see_through(draw) if transparent else draw(paper=None)
    box = (place.left, place.top, place.width, place.height)
    drawing.shapes.append(Raster(box, np.asarray(cloud)))
    twin.sheet = replace(sheet, part=2)
    twin.draw_marks(drawing)  # type: ignore[arg-type]
    draw_captions(drawing, scene.layout, scene, twin)  # type: ignore[arg-type]


def _cloud(scene: Scene, sheet: Paper, *, paper: Colour | None) -> Image.Image:
    """The cloud, finer than on the screen, on a page of some colour."""
    from PIL import Image

    scene.sheet = replace(sheet, paper=paper)
    place = scene.layout.cloud
    size = (FINER * place.width, FINER * place.height)
    picture = scene.cloud.paint(scene.view, size, look=scene.look())
    return Image.fromarray(np.ascontiguousarray(picture))
