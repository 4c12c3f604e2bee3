"""Selecting many positions: on the map by box, lasso or sphere, on a heatmap by cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError
from explorer.render.cloud.onscreen import OnScreen
from explorer.render.linked.colouring import class_names
from explorer.render.linked.focus import Focus
from explorer.render.linked.near import Neighbourhood, find_images, neighbourhood, typical
from explorer.render.linked.pictured import Pictured
from explorer.render.linked.plane import cells
from explorer.render.linked.selection import Selection
from explorer.render.linked.selection_files import save_selection

Box = tuple[float, float, float, float]


class Selecting(Pictured):
    """What a scene lets one select and find; `Scene` brings the state and the cloud.

    Everywhere `how` is "replace", "add", "remove" or "keep" (only what was selected already). Pixels are
    those of the last picture, from its left and top. Points that a filter hides are never selected.
    """

    @property
    def focus(self) -> Focus | None:
        """The position that is looked at, or None."""
        return self.state.focus

    @property
    def selection(self) -> Selection:
        """The selected positions; set it to a `Selection`, masks, positions, or None.

        It is held by (image, *position) on the layer's grid, through every filter, method, 2D or 3D, and
        every layer of the same grid; on other grids by relative place (`Selection.to`).
        """
        return self.state.selection

    @selection.setter
    def selection(self, chosen: Selection | NDArray[Any] | Sequence[Sequence[int]] | None) -> None:
        grid = self.state.values.grid_shape
        if chosen is None:
            self.state.selection = Selection(grid)
        elif isinstance(chosen, Selection):
            self.state.selection = chosen
        elif np.asarray(chosen).dtype == np.bool_:
            self.state.selection = Selection.of_masks(np.asarray(chosen))
        else:
            self.state.selection = Selection.of_positions(grid, np.asarray(chosen))

    def select(self, image: int, *position: int) -> Focus:
        """Select one position, look at it, and show its image.

        Raises:
            InputError: there is no such image or position.
        """
        return self.state.select(image, *position)

    def inspect(self, image: int, *position: int) -> Focus:
        """Look at a position and show its image; what is selected stays.

        Raises:
            InputError: there is no such image or position.
        """
        return self.state.look(image, *position)

    def clear_selection(self) -> None:
        """Select nothing and look at nothing."""
        self.state.clear()

    def select_box(self, box: Box, *, how: str = "replace", visible: bool = False) -> Selection:
        """Select the points in a box (left, top, right, bottom) of pixels.

        Args:
            box: two corners, in any order.
            how: what becomes of what was selected before.
            visible: only points that no other point hides; all within by default.
        """
        self._finite(box)
        left, top = self.layout.cloud.left, self.layout.cloud.top
        inner = (box[0] - left, box[1] - top, box[2] - left, box[3] - top)
        return self._choose(self._screen().in_box(inner), how, visible)

    def select_lasso(
        self, polygon: Sequence[tuple[float, float]], *, how: str = "replace", visible: bool = False
    ) -> Selection:
        """Select the points in a polygon of pixels; where it crosses itself, what it encloses oddly often.

        Raises:
            InputError: fewer than three corners.
        """
        place = self.layout.cloud
        inner = [(x - place.left, y - place.top) for x, y in polygon]
        return self._choose(self._screen().in_polygon(inner), how, visible)

    def select_sphere(
        self,
        centre: Sequence[float],
        radius: float,
        *,
        how: str = "replace",
        visible: bool = False,
    ) -> Selection:
        """Select the points within a distance of a place on the map, in the projection's coordinates.

        Raises:
            InputError: a centre of another length than the map's, or no radius.
        """
        n = self.state.projection.n_components
        middle = np.asarray(centre, np.float64)
        if middle.shape != (n,) or not np.isfinite(middle).all() or not radius >= 0:
            raise InputError(f"sphere about {centre} of radius {radius}: expected {n} numbers, and 0 or more")
        gaps = self.state.projection.coordinates[self.cloud.finite].astype(np.float64) - middle
        inside = np.einsum("nk,nk->n", gaps, gaps) <= float(radius) ** 2
        return self._choose(inside, how, visible)

    def select_cells(self, image: int, box: tuple[int, int, int, int], *, how: str = "replace") -> Selection:
        """Select a rectangle of an image's heatmap: rows and columns of two corners, both inclusive.

        Positions that were not sampled are selected too: they are not in the cloud, but in the masks.

        Raises:
            InputError: the layer has no positions, or not those.
        """
        shape = cells(self.state)
        top, bottom = sorted((box[0], box[2]))
        left, right = sorted((box[1], box[3]))
        if shape is None or min(top, left) < 0 or bottom >= shape[0] or right >= shape[1]:
            raise InputError(f"cells {box}: layer {self.state.values.layer} has {shape or 'none'}")
        mask = np.zeros(shape, bool)
        mask[top : bottom + 1, left : right + 1] = True
        return self.select_mask(image, mask, how=how)

    def select_mask(self, image: int, mask: NDArray[np.bool_], *, how: str = "replace") -> Selection:
        """Select cells of an image's heatmap: a mask (rows, columns) of the shown plane, or (*spatial).

        Raises:
            InputError: there is no such image, or the mask has another shape.
        """
        state = self.state
        grid, marked = state.values.grid_shape, np.asarray(mask, bool)
        if not 0 <= image < grid[0]:
            raise InputError(f"image {image}: the run has images 0 to {grid[0] - 1}")
        whole = np.zeros(grid[1:], bool)
        if marked.shape == grid[1:]:
            whole = marked
        elif marked.shape == cells(state) and len(grid) == 4:
            whole[state.cut] = marked
        elif marked.shape == cells(state) and len(grid) == 2:
            whole = marked[0]
        else:
            raise InputError(f"mask of shape {marked.shape}: layer {state.values.layer} has {grid[1:]}")
        places = np.flatnonzero(whole) + image * state.positions
        state.selection = state.selection.combined(Selection(grid, places), how)
        return state.selection

    def select_class(self, name: str, *, how: str = "replace") -> Selection:
        """Select every shown point of a class of the current colouring.

        Raises:
            InputError: the colouring has no such class.
        """
        state = self.state
        names = class_names(state, name)
        codes = [code for code, one in enumerate(names) if one == name]
        return state.choose(np.isin(state.quantity(state.colour).values, codes) & state.shown, how)

    def select_similar(self, least: float, *, how: str = "replace") -> Selection:
        """Select every position, sampled or not, whose cosine similarity to the focus is at least so much.

        Raises:
            InputError: no position is looked at.
        """
        state, at = self.state, self.state.focus
        if at is None:
            raise InputError("similarity: look at a position first: select(image, *position)")
        found = Selection.of_masks(state.values.similarity(at.image, at.position) >= least)
        state.selection = state.selection.combined(found, how)
        return state.selection

    def save_selection(self, path: str | Path) -> Path:
        """Write the selection: .csv, .parquet (needs pyarrow), or .npz of one boolean mask a picture.

        Raises:
            InputError: another suffix.
            MissingExtraError: .parquet without pyarrow.
            RenderError: the file cannot be written.
        """
        return save_selection(self.selection, path, self.state.run, self.state.projection)

    def neighbours(self, k: int = 8) -> Neighbourhood:
        """The nearest positions of the focus by the original features, and on the map.

        Raises:
            InputError: no position is looked at.
        """
        return neighbourhood(self.state, k)

    def similarity(self) -> NDArray[np.float32]:
        """Cosine similarity of every position of every picture to the focus: (batch, *spatial).

        Raises:
            InputError: no position is looked at.
        """
        at = self.state.focus
        if at is None:
            raise InputError("similarity: look at a position first: select(image, *position)")
        return self.state.values.similarity(at.image, at.position)

    def typical(self, label: str | None = None) -> list[tuple[int, float]]:
        """Pictures of a class from the most typical to the oddest, each with its distance to the class.

        The distance is Euclidean, from a picture's mean vector to the mean of the class's pictures.

        Raises:
            InputError: the run has no such label.
        """
        return typical(self.state, label)

    def find_images(self, text: str) -> list[int]:
        """Pictures whose name or label holds a text, small and capital letters alike."""
        return find_images(self.state, text)

    def _screen(self) -> OnScreen:
        place = self.layout.cloud
        return self.cloud.on_screen(self.view, (place.width, place.height))

    def _choose(self, points: NDArray[np.bool_], how: str, visible: bool) -> Selection:
        """Change the selection by some of the cloud's points, (n,) bool."""
        place, look = self.layout.cloud, self.look()
        if visible:
            points = points & self.cloud.visible(self.view, (place.width, place.height), look)
        found = np.zeros(len(self.state.rows), bool)
        found[self.cloud.finite[points]] = True
        if look.shown is not None:
            found &= look.shown
        return self.state.choose(found, how)

    @staticmethod
    def _finite(box: Box) -> None:
        if len(box) != 4 or not np.isfinite(np.asarray(box, float)).all():
            raise InputError(f"box {box}: expected four pixels: left, top, right, bottom")
