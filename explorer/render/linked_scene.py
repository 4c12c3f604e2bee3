"""Scene: a cloud and the heatmaps of the same positions, tied together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.reduce.projection import Projection
from explorer.render import marks
from explorer.render.camera import Camera, face_on, frame, opening, spatial
from explorer.render.cloud import Cloud
from explorer.render.colouring import Colouring, colouring
from explorer.render.colours import theme as theme_named
from explorer.render.files import check_suffix, save_picture
from explorer.render.layout import lay_out
from explorer.render.page import Content, Page, compose
from explorer.render.panels import panels
from explorer.render.state import Selection, State
from explorer.render.values import RunLike
from explorer.render.words import header, info, method_name

if TYPE_CHECKING:
    from PIL import Image

SIZE = (1600, 900)
REACH = 8.0  # pixels at 1600 × 900 within which a click still means a point


class Scene:
    """What `explorer.scene` gives: look at it, click in it, take pictures of it.

    Attributes:
        state: what is shown, without any drawing.
        cloud: the points.
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
        self.cloud = Cloud(projection.coordinates)
        self._camera: Camera | None = None
        self._turn: NDArray[np.float64] | None = None
        self._opening: tuple[float, Camera] | None = None
        self._basis: Any = None
        self._colouring: tuple[tuple[Any, ...], Colouring] | None = None
        self._page: tuple[tuple[Any, ...], Page] | None = None
        self._size = SIZE

    @property
    def image(self) -> int:
        """The input whose heatmaps are shown."""
        return self.state.image

    @image.setter
    def image(self, image: int) -> None:
        self.state.show_image(image)

    @property
    def channel(self) -> int | None:
        """The channel the map shows, or None while it shows the norm or a component."""
        return self.state.channel if self.state.map == "channel" else None

    @channel.setter
    def channel(self, channel: int | None) -> None:
        if channel is not None:
            self.state.channel = channel
        self.state.map = "norm" if channel is None else "channel"

    @property
    def colour(self) -> str:
        """What the points' colours mean."""
        return self.state.colour

    @colour.setter
    def colour(self, colour: str) -> None:
        self.state.colour = colour

    @property
    def theme(self) -> str:
        """The colours around the data: light or dark."""
        return self.state.theme

    @theme.setter
    def theme(self, name: str) -> None:
        self.state.theme = name

    @property
    def selection(self) -> Selection | None:
        """The selected position, or None."""
        return self.state.selection

    def select(self, image: int, *position: int) -> Selection:
        """Select a position of an image, and show that image.

        Raises:
            InputError: there is no such image or position.
        """
        return self.state.select(image, *position)

    @property
    def camera(self) -> dict[str, Any]:
        """Where the cloud is seen from: lists and numbers, in the projection's coordinates."""
        return self.view.to_dict()

    @camera.setter
    def camera(self, content: Mapping[str, Any]) -> None:
        self._camera = Camera.from_dict(content)

    @property
    def view(self) -> Camera:
        """The camera; until it is set, the one that shows most, fitted to the last picture's size."""
        if self._camera is not None:
            return self._camera
        place = lay_out(self._size).cloud
        aspect = place.width / place.height
        if self._opening is None or self._opening[0] != aspect:
            self._opening = aspect, self._opening_view(aspect)
        return self._opening[1]

    @view.setter
    def view(self, camera: Camera | None) -> None:
        self._camera = camera

    def _opening_view(self, aspect: float) -> Camera:
        """The view a scene opens with: face on for a flat cloud, else what shows most.

        Its direction is chosen once, so that new colours do not turn the cloud.
        """
        points = self.cloud.points
        if not len(points):
            return face_on(np.zeros((1, 3)), aspect)
        if self.state.projection.n_components == 2:
            return face_on(points, aspect)
        if self._turn is None:
            self._turn = opening(points, self.colouring().groups[self.cloud.shown], aspect)
        return frame(points, self._turn, aspect)

    def save_camera(self, path: str | Path) -> Path:
        """Write the camera as JSON."""
        return self.view.save(path)

    def load_camera(self, path: str | Path) -> None:
        """Read a camera that `save_camera` wrote.

        Raises:
            InputError: there is no such file, or it holds no camera.
        """
        self._camera = Camera.load(path)

    def basis(self) -> Any:
        """The layer's PCA→RGB colours, fitted when they are first needed."""
        if self._basis is None:
            from explorer.reduce.rgb_basis import rgb

            run: Any = self.state.run
            self._basis = rgb(run, self.state.values.layer)
        return self._basis

    def colouring(self) -> Colouring:
        """The points' colours and their legend as the state asks."""
        state = self.state
        key = (state.colour, state.theme, state.channel if state.colour == "channel" else state.component)
        if self._colouring is None or self._colouring[0] != key:
            self._colouring = key, colouring(state, theme_named(state.theme), self.basis)
        return self._colouring[1]

    def page(self, size: tuple[int, int], *, interactive: bool = False) -> Page:
        """Everything but the points, composed for a window of `size`; kept until something changes."""
        state, colours = self.state, theme_named(self.state.theme)
        key = (
            size,
            interactive,
            state.theme,
            state.image,
            state.channel,
            state.map,
            state.component,
            state.overlaid,
            state.colour,
            state.selection,
        )
        if self._page is None or self._page[0] != key:
            content = Content(
                header=header(state),
                panels=panels(state, colours, self.basis),
                legend=self.colouring().legend,
                info=info(state, interactive=interactive),
                cell=state.cell,
            )
            self._page = key, compose(content, lay_out(size), colours)
        return self._page[1]

    def frame(
        self, size: tuple[int, int] = SIZE, *, rough: bool = False, interactive: bool = False
    ) -> Image.Image:
        """The whole picture: page, cloud and marks.

        Args:
            size: (width, height) in pixels.
            rough: quicker and coarser, for while the camera moves.
            interactive: whether to hint at mouse and keys.
        """
        from PIL import Image

        self._size = size
        page, state = self.page(size, interactive=interactive), self.state
        colours = theme_named(state.theme)
        layout, place = page.layout, page.layout.cloud
        picture = self.cloud.paint(
            self.view,
            (place.width, place.height),
            colours=self.colouring().colours,
            theme=colours,
            emphasised=state.image_of_row == state.image if state.isolated else None,
            rough=rough,
        )
        canvas = Image.fromarray(page.canvas)
        canvas.paste(Image.fromarray(np.ascontiguousarray(picture)), (place.left, place.top))
        name, n = method_name(state.projection.method), state.projection.n_components
        marks.draw_axes(canvas, layout, colours, camera=self.view, name=name, n=n)
        chosen = state.selection
        at = None if chosen is None or chosen.nearest is None else self.pixel(chosen.nearest, size)
        if chosen is not None and at is not None:
            marks.draw_ring(canvas, layout, colours, at=at, exact=chosen.row is not None)
        return canvas

    def pixel(self, row: int, size: tuple[int, int] | None = None) -> tuple[float, float] | None:
        """Where a row of the projection is drawn, from the picture's left and top; None out of sight."""
        place = lay_out(size or self._size).cloud
        point: NDArray[np.float64] = spatial(self.state.projection.coordinates[row : row + 1])
        pixels, depth = self.view.project(point, (place.width, place.height))
        if not np.isfinite(pixels).all() or depth[0] <= 0:
            return None
        x, y = float(pixels[0, 0]) + place.left, float(pixels[0, 1]) + place.top
        return (x, y) if place.contains(x, y) else None

    def pick(self, x: float, y: float) -> int | None:
        """The row of the projection that is seen at a pixel of the last picture, or None."""
        layout = lay_out(self._size)
        place = layout.cloud
        if not place.contains(x, y):
            return None
        at = (x - place.left, y - place.top)
        return self.cloud.pick(self.view, (place.width, place.height), at=at, reach=REACH * layout.scale)

    def click(self, x: float, y: float) -> Selection | None:
        """Select what lies at a pixel of the last picture: a point, or a position on a heatmap."""
        row = self.pick(x, y)
        if row is not None:
            return self.state.select_row(row)
        cell = self.page(self._size, interactive=True).cell(x, y)
        return None if cell is None else self.select(self.image, *self.state.position_at(*cell))

    def screenshot(
        self, path: str | Path, *, size: tuple[int, int] = SIZE, camera: Mapping[str, Any] | None = None
    ) -> Path:
        """Write the picture to a PNG or JPEG file; no screen is needed.

        Args:
            path: the file; its suffix says the format.
            size: (width, height) in pixels.
            camera: seen from here instead, as `camera` gives it.

        Raises:
            InputError: another suffix, a size too small, or no camera.
            RenderError: no picture can be made here, or the file cannot be written.
        """
        check_suffix(path)
        kept = self._camera
        try:
            if camera is not None:
                self.camera = dict(camera)
            picture = self.frame(size)
        finally:
            self._camera = kept
        return save_picture(picture, path)

    def show(self) -> None:
        """Open the window; returns when it is closed.

        Raises:
            RenderError: there is no screen.
        """
        from explorer.render.window import show

        show(self)

    def close(self) -> None:
        """Give graphics memory back; a later picture takes it again."""
        self.cloud.close()
