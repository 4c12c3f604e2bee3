"""Scene: a cloud and the heatmaps of the same positions, tied together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.reduce.projection import Projection
from explorer.render.cloud.camera import Camera
from explorer.render.cloud.cloud import Cloud
from explorer.render.cloud.views import Viewed, Views
from explorer.render.drawing.colours import Colour
from explorer.render.drawing.colours import theme as theme_named
from explorer.render.drawing.layout import Layout, Rect, lay_out
from explorer.render.export.exporting import Exporting
from explorer.render.linked import marks
from explorer.render.linked.adjusting import Adjusting
from explorer.render.linked.asking import Asking
from explorer.render.linked.centres import Centre
from explorer.render.linked.colouring import with_size
from explorer.render.linked.keeping import Keeping
from explorer.render.linked.page import Content, Page, compose
from explorer.render.linked.painted import Painted
from explorer.render.linked.pairing import Paired
from explorer.render.linked.panels import panels, picture_aspect
from explorer.render.linked.paper import SIZE, Paper
from explorer.render.linked.plane import cell_of, field_part, plane
from explorer.render.linked.pointing import Pointing
from explorer.render.linked.selecting import Selecting
from explorer.render.linked.state import State
from explorer.render.linked.strip_drawing import room
from explorer.render.linked.strips import strips
from explorer.render.linked.telling import Telling
from explorer.render.linked.words import header, info, method_name
from explorer.render.values import RunLike

if TYPE_CHECKING:
    from PIL import Image

    from explorer.render.linked.beside import Twin
    from explorer.render.window.controls import Controls


class Scene(Paired, Painted, Pointing, Viewed, Selecting, Telling, Asking, Keeping, Adjusting, Exporting):
    """What `explorer.scene` gives: look at it, click in it, select in it, take pictures of it.

    Attributes:
        state: what is shown, without any drawing.
        cloud: the points.
        views: the cameras.
        named: whether classes are named at their centres in the cloud.
        twin: the cloud of another map beside this one, or None; `beside` is its map.
        sheet: what the last picture was drawn on.
    """

    def __init__(
        self,
        run: RunLike,
        projection: Projection,
        *,
        image: int = 0,
        channel: int | None = None,
        colour: str = "label",
        theme: str = "light",
    ) -> None:
        self.state = State(run, projection)
        self.theme, self.colour, self.image, self.channel = theme, colour, image, channel
        self.named = True
        self.cloud = Cloud(projection.coordinates)
        self.views = Views(self.cloud)
        self._albums: dict[tuple[str, str, int], list[Camera]] = {_album(projection): self.views.kept}
        self._page: tuple[tuple[Any, ...], Page] | None = None
        self.twin: Twin | None = None
        self.sheet = Paper(SIZE)

    def __repr__(self) -> str:
        shown = self.projection
        return (
            f"Scene({self.state.run.name}, {shown.layer}: {shown.method} {shown.n_components}D of "
            f"{shown.n_samples:,} positions; show() opens it, screenshot(path) draws it)"
        )

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the last picture: pixels that are picked or clicked are those of it."""
        return self.sheet.size

    @property
    def projection(self) -> Projection:
        """What is shown; set it to another projection of the same run, and the selection stays."""
        return self.state.projection

    @projection.setter
    def projection(self, projection: Projection) -> None:
        if projection is self.state.projection:
            return
        self.state.show(projection)
        self.cloud.close()
        self.cloud = Cloud(projection.coordinates)
        self.views = Views(self.cloud)
        self.views.kept = self._albums.setdefault(_album(projection), [])
        self.repaint()

    @property
    def layout(self) -> Layout:
        """Where everything lies on the last picture."""
        return self.laid_out(self.sheet)

    def laid_out(self, sheet: Paper) -> Layout:
        """Where everything lies on a sheet."""
        state, slices = self.state, sheet.interactive and len(self.state.values.spatial) == 3
        found = lay_out(
            sheet.size,
            picture_aspect(state),
            bar=sheet.interactive,
            alone=sheet.alone,
            pair=bool(sheet.part),
            slices=slices,
        )
        return found.swapped() if sheet.part == 2 else found

    @property
    def view(self) -> Camera:
        """The camera; until it is set, the one that shows most, fitted to the last picture's size."""
        place = self.layout.cloud
        return self.views.at(place.width / place.height, lambda: self.colouring().groups[self.cloud.finite])

    @view.setter
    def view(self, camera: Camera | None) -> None:
        self.views.chosen = camera

    def page(self, size: tuple[int, int], *, interactive: bool = False) -> Page:
        """Everything but the points, composed for a window of `size`; kept until something changes."""
        return self._composed(self.part_of(Paper(size, interactive)))

    def repaint(self) -> None:
        """Forget how everything looks."""
        super().repaint()
        self._page = None

    def last_page(self) -> Page:
        """The last picture's page."""
        return self._composed(self.sheet)

    def _composed(self, sheet: Paper) -> Page:
        """The page on a sheet; kept until something changes."""
        state, found = self.state, self.colouring()
        shapes = (sheet, state.theme, state.image, state.channel, state.map, state.component, state.cut)
        marked = (state.overlaid, state.focus, state.selection, state.looking, state.size, state.answer)
        paired = None if self.twin is None else self.twin.projection
        key = (*shapes, *marked, tuple(sorted(state.hidden.items())), found, paired)
        if self._page is None or self._page[0] != key:
            layout = self.laid_out(sheet)
            self._page = key, compose(self.content(layout), layout, sheet.theme(state))
        return self._page[1]

    def content(self, layout: Layout) -> Content:
        """All that a page of this layout says."""
        state, interactive = self.state, layout.bar is not None
        mask = state.between().mask(state.image) if state.wide else None
        return Content(
            header=header(state, self.beside),
            panels=panels(state, theme_named(state.theme), self.basis) if layout.panels else (),
            legend=with_size(self.colouring().legend, state),
            info=info(state, interactive=interactive),
            cell=cell_of(state),
            mask=None if mask is None else plane(state, mask),
            field=field_part(state),
            strips=strips(state, most=room(layout, 1), half=room(layout, 2)),
        )

    def frame(
        self,
        size: tuple[int, int] = SIZE,
        *,
        rough: bool = False,
        interactive: bool = False,
        alone: bool = False,
        paper: Colour | None = None,
    ) -> Image.Image:
        """The whole picture: page, cloud and marks.

        Args:
            size: (width, height) in pixels.
            rough: quicker and coarser, for while the camera moves.
            interactive: whether to leave room for buttons and hint at mouse and keys.
            alone: whether to leave the heatmaps out: the cloud with its title and legend.
            paper: another colour for the page.
        """
        from PIL import Image

        self.sheet = self.part_of(Paper(size, interactive, alone, paper))
        page = self._composed(self.sheet)
        place = page.layout.cloud
        picture = self.cloud.paint(self.view, (place.width, place.height), look=self.look(), rough=rough)
        canvas = Image.fromarray(page.canvas)
        canvas.paste(Image.fromarray(np.ascontiguousarray(picture)), (place.left, place.top))
        self.draw_marks(canvas, rough=rough)
        self.paint_beside(canvas, rough=rough)
        return canvas

    def draw_marks(self, canvas: Image.Image, *, rough: bool = False) -> None:
        """Draw names, axes, the ring and what the picture leaves out over the last picture's cloud."""
        layout, state, colours = self.layout, self.state, self.sheet.theme(self.state)
        name, n = method_name(state.projection.method), state.projection.n_components
        if self.sheet.part != 2:
            marks.draw_axes(canvas, layout, colours, camera=self.view, name=name, n=n)
        at = None if state.focus is None or state.focus.nearest is None else self.pixel(state.focus.nearest)
        if state.focus is not None and at is not None:
            marks.draw_ring(canvas, layout, colours, at=at, exact=state.focus.row is not None)
        marks.draw_names(canvas, layout, colours, placed=self.names())
        marks.draw_note(canvas, layout, colours, words=self.caveat(rough=rough))

    def caveat(self, *, rough: bool = False) -> str:
        """What the cloud's picture leaves out, in words; empty when it leaves out nothing."""
        from explorer.render.linked.words import caveat

        place, drawn = self.layout.cloud, self.cloud.drawn_while_moving()
        thinned = drawn if rough and drawn < len(self.cloud.points) else None
        outside = 0
        if thinned is None and self.views.chosen is None and len(self.cloud.points):
            inside = self.cloud.on_screen(self.view, (place.width, place.height)).inside()
            outside = len(inside) - int(inside.sum())
        shown = self.look().shown
        hidden = 0 if shown is None else len(shown) - int(shown.sum())
        return caveat(self.state, n=len(self.cloud.points), thinned=thinned, outside=outside, hidden=hidden)

    def names(self) -> tuple[tuple[Rect, Centre], ...]:
        """Where classes are named in the cloud on the last picture."""
        return marks.place_names(self.layout, self.view, self.centres()) if self.named else ()

    def controls(self, size: tuple[int, int]) -> Controls:
        """What mouse and keys do in a window of (width, height) pixels over this scene."""
        from explorer.render.window.controls import Controls

        return Controls(self, size)

    def show(self) -> None:
        """Open the window; returns when it is closed.

        Raises:
            RenderError: there is no screen.
        """
        from explorer.render.window.window import show

        show(self)

    def close(self) -> None:
        """Give graphics memory back; a later picture takes it again."""
        self.cloud.close()
        if self.twin is not None:
            self.twin.close()


def _album(projection: Projection) -> tuple[str, str, int]:
    """Which views go with a map: those of the same coordinates, or of such as unfold towards them."""
    return projection.layer, projection.method, projection.n_components
