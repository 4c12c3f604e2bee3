"""What a scene shows, without a window: map, image, channel, colours, and what is selected."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, check_whole
from explorer.reduce.neighbours import Neighbours
from explorer.reduce.projection import Projection
from explorer.render.between import Between
from explorer.render.drawing.colours import theme
from explorer.render.linked.focus import Focus, focus_on, moved, place_of
from explorer.render.linked.meanings import Meanings
from explorer.render.linked.quantities import COLOURS, Clustering, Quantities, columns, modes
from explorer.render.linked.selection import Selection
from explorer.render.linked.steps import MAPS
from explorer.render.values import LayerValues, RunLike, kept_graph

if TYPE_CHECKING:
    from explorer.render.linked.answers import Answer

__all__ = ["COLOURS", "MAPS", "State"]


class State(Meanings):
    """What is shown. Every change is checked; nothing here draws.

    Attributes:
        run: the run.
        columns: the run's columns of one value an image, by name.
        projection: coordinates of positions of `values.layer`; `show` changes it.
        values: the layer's values.
        rows: (n_samples,) the projected positions' places in the layer's grid.
        map: what the heatmap shows: "norm", "channel" or "component".
        component: which axis of the projection, from 0.
        isolated: whether only the current image's points keep their colours.
        overlaid: whether the map is laid over the picture.
        focus: the position that is looked at, or None.
        looking: whether the focus was set after the selection: what was done last is told about.
        answer: what a model was asked last, shown while it is about what is shown.
        hidden: class names that are not shown, by the colouring that has those classes.
        near: the neighbourhood that was asked for last; `neighbourhood` gives it.
        clustering: how the colouring "cluster" finds its groups.
        aspect: the pictures' width over their height, once it is known.
    """

    def __init__(self, run: RunLike, projection: Projection) -> None:
        self.run = run
        self.columns = columns(run)
        self._attach(projection)
        self.map = "norm"
        self.component = 0
        self.isolated = False
        self.overlaid = True
        self.focus: Focus | None = None
        self._looked: tuple[tuple[int, ...], tuple[int, ...]] | None = None
        self.looking = False
        self.answer: Answer | None = None
        self.hidden: dict[str, frozenset[str]] = {}
        self.clustering = Clustering()
        self._selection = Selection(projection.grid_shape)
        self._here: tuple[Selection, Selection] | None = None
        self._image = 0
        self._channel = 0
        self._colour = "label" if run.labels is not None else "image"
        self._size: str | None = None
        self._colour_map: str | None = None
        self._theme = "light"

    def _attach(self, projection: Projection) -> None:
        """Take a projection and its layer's values."""
        held = getattr(self, "values", None)
        values = (
            held
            if held is not None and held.layer == projection.layer
            else LayerValues(self.run, projection.layer)
        )
        if projection.grid_shape != values.grid_shape:
            raise InputError(
                f"projection of {projection.layer} on grid {projection.grid_shape}, but the run has "
                f"{values.grid_shape}; make the projection from this run"
            )
        self.projection, self.values = projection, values
        self.aspect: float | None = None
        self.positions = math.prod(values.spatial)
        self.rows = projection.samples.grid_rows()
        self._quantities = Quantities(self)
        self._marked: tuple[Selection, NDArray[np.bool_]] | None = None
        self.near: tuple[tuple[Any, ...], Any] | None = None
        same = held is not None and held.layer == projection.layer
        self.set_cut: int | None = self.set_cut if same else None
        self._graph: tuple[Neighbours | None] | None = None

    def show(self, projection: Projection) -> None:
        """Show another projection of the same run; selection, focus, image and colours stay.

        On a layer with another grid the selection is mapped by relative place (`Selection.to`), and comes
        back as it was when its own grid is shown again.

        Raises:
            InputError: a projection of another run.
            LayerError: the run lacks its layer.
        """
        self._attach(projection)
        self._channel = min(self._channel, self.values.channels - 1)
        self.component = min(self.component, projection.n_components - 1)
        self.focus = None
        # From the grid where it was looked at: going to another one and back loses nothing.
        where = None if self._looked is None else moved(*self._looked, self.values.grid_shape)
        if where is not None:
            self.focus = focus_on(projection, self.rows, where, self.label(where[0]))
        if self._colour not in self.colours or not self._has_masks():
            self._colour = "label" if self.run.labels is not None else "image"
        if self._size not in (None, *self.colours):
            self._size = None

    @property
    def image(self) -> int:
        """The input whose maps are shown."""
        return self._image

    @image.setter
    def image(self, image: int) -> None:
        check_whole(image, "image")
        if not 0 <= image < self.run.n_images:
            raise InputError(f"image {image}: the run has images 0 to {self.run.n_images - 1}")
        self._image = int(image)

    @property
    def channel(self) -> int:
        """The channel that maps and colours show when they show one."""
        return self._channel

    @channel.setter
    def channel(self, channel: int) -> None:
        check_whole(channel, "channel")
        if not 0 <= channel < self.values.channels:
            last = self.values.channels - 1
            raise InputError(f"channel {channel}: layer {self.values.layer} has channels 0 to {last}")
        self._channel = int(channel)

    @property
    def colours(self) -> tuple[str, ...]:
        """What the points can be coloured by just now."""
        return modes(self)

    @property
    def theme(self) -> str:
        """Which theme: "light" or "dark"."""
        return self._theme

    @theme.setter
    def theme(self, name: str) -> None:
        self._theme = theme(name).name

    @property
    def image_of_row(self) -> NDArray[np.int64]:
        """Which input each projected position belongs to, (n_samples,)."""
        return self.rows // max(1, self.positions)

    def label(self, image: int) -> str | None:
        """An input's label, or None when the run has none."""
        return None if self.run.labels is None else self.run.labels[image]

    @property
    def selection(self) -> Selection:
        """The selected positions, on the shown layer's grid."""
        held, grid = self._here, self.values.grid_shape
        if held is None or held[0] is not self._selection or held[1].grid_shape != grid:
            # The one that was made is kept too, so that going to another grid and back loses nothing.
            self._here = held = self._selection, self._selection.to(grid)
        return held[1]

    @selection.setter
    def selection(self, selection: Selection) -> None:
        self._selection = selection.to(self.values.grid_shape)
        self.looking = False

    @property
    def kept_selection(self) -> Selection:
        """The selection on the grid where it was made."""
        return self._selection

    @kept_selection.setter
    def kept_selection(self, selection: Selection) -> None:
        selection.to(self.values.grid_shape)  # refuses another run's
        self._selection, self.looking = selection, False

    @property
    def wide(self) -> bool:
        """Whether more than one position was selected: then the rest is greyed, and clicks leave it."""
        return len(self._selection) > 1

    @property
    def selected(self) -> NDArray[np.bool_]:
        """Which projected positions are selected, (n_samples,)."""
        chosen = self.selection
        if self._marked is None or self._marked[0] is not chosen:
            self._marked = chosen, chosen.at(self.rows)
        return self._marked[1]

    def between(self) -> Between:
        """How the selection looks in pictures: what a map leaves out follows what it takes."""
        return Between(self.selection, self.rows)

    def choose(self, found: NDArray[np.bool_], how: str = "replace") -> Selection:
        """Change the selection by some projected positions, (n_samples,) bool."""
        new = Selection(self.values.grid_shape, self.rows[found])
        self.selection = self.selection.combined(new, how)
        return self.selection

    @property
    def shown(self) -> NDArray[np.bool_]:
        """Which projected positions no filter hides, (n_samples,)."""
        seen = np.ones(len(self.rows), bool)
        for mode, names in self.hidden.items():
            if names and mode in self.colours:
                quantity = self.quantity(mode)
                gone = [code for code, name in enumerate(quantity.names) if name in names]
                seen &= ~np.isin(quantity.values, gone)
        return seen

    def graph(self) -> Neighbours | None:
        """The neighbour graph that the run keeps of the projected positions, or None."""
        if self._graph is None:
            self._graph = (kept_graph(self.run, self.projection),)
        return self._graph[0]

    def select(self, image: int, *position: int) -> Focus:
        """Select one position, look at it, and show its image.

        Raises:
            InputError: there is no such image or position.
        """
        found = self.look(image, *position)
        place = place_of(self.values.grid_shape, image, position)
        self.selection = Selection(self.values.grid_shape, np.array([place]))
        self.looking = True
        return found

    def look(self, image: int, *position: int) -> Focus:
        """Look at a position and show its image; what is selected stays.

        Raises:
            InputError: there is no such image or position.
        """
        try:
            self.focus = focus_on(self.projection, self.rows, (image, *position), self._label_of(image))
        except InputError as error:
            raise InputError(f"layer {self.values.layer}: {error}") from None
        self.image, self.looking, self.set_cut = image, True, None
        self._looked = (image, *position), self.values.grid_shape
        return self.focus

    def _label_of(self, image: int) -> str | None:
        return self.label(image) if 0 <= image < self.run.n_images else None

    def position_of(self, row: int) -> tuple[int, ...]:
        """(image, *position) of a projected position."""
        return tuple(int(at) for at in np.unravel_index(int(self.rows[row]), self.values.grid_shape))

    def clear(self) -> None:
        """Select nothing and look at nothing."""
        if len(self.values.spatial) == 3:
            self.set_cut = self.cut  # it stays in sight
        self.focus = self._looked = None
        self._selection = Selection(self.values.grid_shape)
        if self._colour == "similarity":
            self._colour = "label" if self.run.labels is not None else "image"
        self._size = None if self._size == "similarity" else self._size
