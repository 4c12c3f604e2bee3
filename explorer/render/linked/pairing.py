"""The part of a scene that can have a second map beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from explorer.errors import InputError
from explorer.reduce.projection import Projection
from explorer.render.drawing.layout import Layout
from explorer.render.linked.paper import Paper
from explorer.render.linked.words import method_name

if TYPE_CHECKING:
    from PIL import Image

    from explorer.render.linked.beside import Twin
    from explorer.render.linked.scene import Scene


class Paired:
    """Two maps side by side: of two layers, of two methods, or of two settings of one.

    Attributes:
        twin: the cloud of the second one, or None.
        sheet: what the last picture was drawn on.
    """

    twin: Twin | None
    sheet: Paper

    @property
    def layout(self) -> Layout:
        """Where everything lies on the last picture."""
        raise NotImplementedError

    @property
    def beside(self) -> Projection | None:
        """Another projection of the same run, shown beside the first; set it to None for none.

        The cameras are tied, and selection, focus, colours and filters are shared: each by the position
        it belongs to, on another layer by relative place. Pictures, pages and turntables show both; the
        other files are of the first.
        """
        return None if self.twin is None else self.twin.projection

    @beside.setter
    def beside(self, projection: Projection | None) -> None:
        from explorer.render.linked.beside import Twin

        scene: Any = self
        if self.twin is not None and projection is self.twin.projection:
            return
        if projection is scene.projection:
            raise InputError("beside: that is the projection which is shown already; choose another one")
        twin = None if projection is None else Twin(scene, projection)  # refuses another run's
        if self.twin is not None:
            self.twin.close()
        self.twin = twin
        self.sheet = self.part_of(self.sheet)
        if twin is not None:
            twin.mirror()

    def named_map(self, projection: Projection) -> str:
        """Which map it is, as captions of two maps say it."""
        return f"{method_name(projection.method)} {projection.n_components}D"

    def spared(self, layout: Layout) -> Layout:
        """A layout without what the scene keeps for something of its own."""
        return layout

    def report(self) -> None:
        """Hand on what was done in this cloud: the first of two holds it anyway, the second reports to it."""

    def part_of(self, sheet: Paper) -> Paper:
        """A sheet with room for both maps where there are two."""
        return replace(sheet, part=0 if self.twin is None else 1)

    def side(self, x: float, y: float) -> Scene:
        """The scene whose cloud lies at a pixel of the last picture: the second in its half, else this."""
        scene: Any = self
        second = self.layout.second
        if self.twin is None or second is None or not second.contains(x, y):
            return scene  # type: ignore[no-any-return]
        self.twin.mirror()
        return self.twin

    def paint_beside(self, canvas: Image.Image, *, rough: bool = False) -> None:
        """Draw the second cloud and say which map is which; nothing where there is one."""
        from explorer.render.linked.beside import draw_captions, paint_twin

        scene: Any = self
        if self.twin is not None:
            self.twin.mirror()
            paint_twin(canvas, self.twin, rough=rough)
            draw_captions(canvas, self.layout, scene, self.twin)
