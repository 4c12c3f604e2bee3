"""A second map beside the first: its cameras tied, its selection, focus and colours those of the first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.reduce.projection import Projection
from explorer.render.cloud.camera import Camera
from explorer.render.cloud.cloud import Look
from explorer.render.drawing.text import count, plural
from explorer.render.linked import marks
from explorer.render.linked.colouring import Colouring
from explorer.render.linked.focus import Focus, moved
from explorer.render.linked.painted import emphasised
from explorer.render.linked.scene import Scene
from explorer.render.linked.tied import follow
from explorer.render.linked.words import quality_words

if TYPE_CHECKING:
    from PIL import Image

    from explorer.render.drawing.layout import Layout
    from explorer.render.linked.paper import Paper


class Twin(Scene):
    """The right one of two clouds: a scene of another map of the same run that follows the first.

    A point's colour, and whether a filter hides it, are those of the same place in the first map; what the
    first map has no point of is grey, and counted.

    Attributes:
        first: the scene that it follows.
    """

    def __init__(self, first: Scene, projection: Projection) -> None:
        super().__init__(first.state.run, projection)
        self.first = first
        self._rows: tuple[Projection, NDArray[np.int64]] | None = None
        self._asked: tuple[Focus | None, tuple[int, ...]] | None = None
        self._dressed: tuple[tuple[Any, ...], Colouring] | None = None
        self._home: tuple[tuple[Any, ...], Camera] | None = None

    def laid_out(self, sheet: Paper) -> Layout:
        """Where everything lies on a sheet: what the first scene keeps for itself is kept free here too."""
        return self.first.spared(super().laid_out(sheet))

    def mirror(self) -> None:
        """Take over what the first scene shows now, so that both show the same."""
        ours, theirs = self.state, self.first.state
        ours.theme, self.named = theirs.theme, self.first.named
        ours.image, ours.isolated = theirs.image, theirs.isolated
        if ours.kept_selection is not theirs.kept_selection:
            ours.kept_selection = theirs.kept_selection
        at = theirs.focus
        if at is None:
            ours.focus = None
        elif self._asked is None or self._asked[0] is not at:
            place = moved((at.image, *at.position), theirs.values.grid_shape, ours.values.grid_shape)
            self._asked = at, () if place is None else place
            ours.focus = None
            if place is not None:
                ours.look(*place)
                ours.image = theirs.image
        ours.looking = theirs.looking
        flat = self.first.views.flat or self.first.cloud.flat
        self.views.flat = flat or self.cloud.flat
        self.sheet = replace(self.first.sheet, part=2)

    def report(self) -> None:
        """Hand what was done here, a selection or a focus, to the first scene."""
        ours, theirs = self.state, self.first.state
        if ours.kept_selection is not theirs.kept_selection:
            looking = ours.looking
            theirs.kept_selection = ours.kept_selection
            theirs.looking = looking
        mine = None if self._asked is None else self._asked[1]
        at = None if ours.focus is None else (ours.focus.image, *ours.focus.position)
        if at is not None and at != mine:
            place = moved(at, ours.values.grid_shape, theirs.values.grid_shape)
            # Of a whole picture there is no one position: only the picture is shown then.
            self._asked = None if place is None else (theirs.look(*place), at)
        theirs.image = ours.image

    @property
    def view(self) -> Camera:
        """The camera: as far from its home as the first scene's is from its own."""
        first, place = self.first, self.layout.cloud
        aspect = place.width / place.height
        turning = not first.views.flat and not self.views.flat
        home = first.views.home(aspect, lambda: first.colouring().groups[first.cloud.finite])
        key = (home, turning, aspect)
        if self._home is None or self._home[0] != key:
            alike = self.colouring().groups[self.cloud.finite]
            found = (
                self.views.along(home.basis(), aspect) if turning else self.views.home(aspect, lambda: alike)
            )
            self._home = key, found
        other = self._home[1]
        self.views.chosen = None
        camera = follow(first.view, home, other, turning=turning)
        if first.views.chosen is not None:
            self.views.chosen = camera
        return camera

    @view.setter
    def view(self, camera: Camera | None) -> None:
        self.first.view = camera

    def rows(self) -> NDArray[np.int64]:
        """The row of the first map that stands for the same place as each of this one's; -1 for none."""
        theirs = self.first.state
        if self._rows is None or self._rows[0] is not theirs.projection:
            found = same_places(self.state.rows, self.state.values.grid_shape, theirs.values.grid_shape)
            at = np.minimum(np.searchsorted(theirs.rows, found), max(0, len(theirs.rows) - 1))
            hit = (theirs.rows[at] == found) if len(theirs.rows) else np.zeros(len(found), bool)
            self._rows = theirs.projection, np.where(hit, at, -1)
        return self._rows[1]

    def colouring(self) -> Colouring:
        """The colours of the same places in the first map."""
        found, rows, faint = self.first.colouring(), self.rows(), self.sheet.theme(self.state).faint
        key = (found, rows, faint)
        if self._dressed is None or any(a is not b for a, b in zip(self._dressed[0], key, strict=True)):
            known = rows >= 0
            colours = np.where(known[:, None], found.colours[rows], np.array(faint, np.uint8))
            groups = np.where(known, found.groups[rows], found.groups.max(initial=-1) + 1)
            self._dressed = key, Colouring(colours, found.legend, groups, found.names)
        return self._dressed[1]

    def look(self) -> Look:
        """What the points look like: filters and sizes are those of the first map, where it has the place."""
        theirs, found, state, rows = self.first.look(), self.colouring(), self.state, self.rows()
        chosen = state.selection if state.wide else None
        key = (theirs, found, chosen, state.image if state.isolated else None)
        if self._look is None or any(a is not b and a != b for a, b in zip(self._look[0], key, strict=True)):
            known = rows >= 0
            shown = None if theirs.shown is None else theirs.shown[rows] | ~known
            sizes = None if theirs.sizes is None else np.where(known, theirs.sizes[rows], 0)
            look = Look(found.colours, theirs.theme, shown, emphasised(state), sizes)
            self._look = key, look
        return self._look[1]

    def click(self, x: float, y: float) -> Focus | None:
        """Look at the point at a pixel of the last picture; beside points nothing is meant here."""
        return super().click(x, y) if self.pick(x, y) is not None else None

    def named_map(self, projection: Projection) -> str:
        """Which map it is, as the first scene names it."""
        return self.first.named_map(projection)

    def caption(self) -> str:
        """Which map it is, and what of it the first map lacks."""
        lacks = int((self.rows() < 0).sum())
        grey = f"grey: {count(lacks)} of {plural(len(self.state.rows), 'point')} not in the left map"
        return " · ".join([caption(self), *([grey] if lacks else [])])


def caption(scene: Scene) -> str:
    """Which map a cloud is: method, layer and how far it can be trusted."""
    shown = scene.projection
    trust = quality_words(shown, "trustworthiness").partition(" (")[0]
    words = [scene.named_map(shown), shown.layer]
    return " · ".join([*words, *([trust] if trust else [])])


def same_places(
    places: NDArray[np.int64], grid: tuple[int, ...], other: tuple[int, ...]
) -> NDArray[np.int64]:
    """Places (n,) of one layer's grid on another's, where each one's middle lies; -1 where there is none.

    Where the other layer is one vector a picture that stands for all its places; the other way round no
    place of many stands for a whole picture.
    """
    if grid == other:
        return places
    at = np.unravel_index(places, grid)
    if len(other) == 1:
        return np.asarray(at[0], np.int64)
    if len(grid) != len(other):
        return np.full(len(places), -1, np.int64)
    middle = [(2 * i + 1) * n // (2 * o) for i, o, n in zip(at[1:], grid[1:], other[1:], strict=True)]
    return np.asarray(np.ravel_multi_index((at[0], *middle), other), np.int64)


def paint_twin(canvas: Image.Image, twin: Twin, *, rough: bool) -> None:
    """Draw the second cloud into its half of a picture, with its marks."""
    from PIL import Image

    place = twin.layout.cloud
    picture = twin.cloud.paint(twin.view, (place.width, place.height), look=twin.look(), rough=rough)
    canvas.paste(Image.fromarray(np.ascontiguousarray(picture)), (place.left, place.top))
    twin.draw_marks(canvas, rough=rough)


def draw_captions(canvas: Image.Image, layout: Layout, first: Scene, twin: Twin) -> None:
    """Say which map is which, above each; and a line between them."""
    theme = first.sheet.theme(first.state)
    marks.draw_halves(canvas, layout, theme, words=(caption(first), twin.caption()))
