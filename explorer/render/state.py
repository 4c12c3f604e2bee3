"""What a scene shows, without a window: image, channel, colours and the selected position."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from explorer.errors import InputError, suggest
from explorer.reduce.projection import Projection
from explorer.render.colours import theme
from explorer.render.values import LayerValues, RunLike

COLOURS = ("label", "image", "row", "column", "norm", "channel", "component", "rgb", "trust")
MAPS = ("norm", "channel", "component")


@dataclass(frozen=True)
class Selection:
    """A selected position.

    Attributes:
        image: which input.
        position: its index on the layer's grid, one number a spatial axis.
        row: its row in the projection; None when it was not sampled.
        label: the input's label, or None.
        coordinates: where it lies in the cloud, or None when it was not sampled.
        nearest: the row of the nearest sampled position in the same image, equal to `row` when
            that exists; None when no position of the image was sampled.
    """

    image: int
    position: tuple[int, ...]
    row: int | None
    label: str | None
    coordinates: tuple[float, ...] | None
    nearest: int | None


class State:
    """What is shown. Every change is checked; nothing here draws.

    Attributes:
        run: the run.
        projection: coordinates of positions of `values.layer`.
        values: the layer's values.
        map: what the heatmap shows: "norm", "channel" or "component".
        component: which axis of the projection, from 0.
        isolated: whether only the current image's points keep their colours.
        overlaid: whether the map is laid over the picture.
        selection: the selected position, or None.
    """

    def __init__(self, run: RunLike, projection: Projection) -> None:
        self.run = run
        self.projection = projection
        self.values = LayerValues(run, projection.layer)
        if projection.grid_shape != self.values.grid_shape:
            raise InputError(
                f"projection of {projection.layer} on grid {projection.grid_shape}, but the run has "
                f"{self.values.grid_shape}; make the projection from this run"
            )
        self.positions = math.prod(self.values.spatial)
        self.map = "norm"
        self.component = 0
        self.isolated = False
        self.overlaid = True
        self.selection: Selection | None = None
        self._rows = projection.samples.grid_rows()
        self._image = 0
        self._channel = 0
        self._colour = "label" if run.labels is not None else "image"
        self._theme = "light"

    @property
    def image(self) -> int:
        """The input whose maps are shown."""
        return self._image

    @image.setter
    def image(self, image: int) -> None:
        if not 0 <= image < self.run.n_images:
            raise InputError(f"image {image}: the run has images 0 to {self.run.n_images - 1}")
        self._image = int(image)

    @property
    def channel(self) -> int:
        """The channel that maps and colours show when they show one."""
        return self._channel

    @channel.setter
    def channel(self, channel: int) -> None:
        if not 0 <= channel < self.values.channels:
            last = self.values.channels - 1
            raise InputError(f"channel {channel}: layer {self.values.layer} has channels 0 to {last}")
        self._channel = int(channel)

    @property
    def colour(self) -> str:
        """What the points' colours mean, one of `COLOURS`."""
        return self._colour

    @colour.setter
    def colour(self, colour: str) -> None:
        if colour not in COLOURS:
            raise InputError(f"colour {colour!r}: {suggest(colour, COLOURS)}")
        if colour == "label" and self.run.labels is None:
            colour = "image"
        if colour == "trust" and self.projection.trust is None:
            raise InputError("colour 'trust': it was not measured for this projection; choose another")
        self._colour = colour

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
        return self._rows // max(1, self.positions)

    def label(self, image: int) -> str | None:
        """An input's label, or None when the run has none."""
        return None if self.run.labels is None else self.run.labels[image]

    def select(self, image: int, *position: int) -> Selection:
        """Select a position and show its image.

        Raises:
            InputError: there is no such image or position.
        """
        spatial = self.values.spatial
        inside = len(position) == len(spatial) and all(
            0 <= at < size for at, size in zip(position, spatial, strict=True)
        )
        if not inside or not 0 <= image < self.run.n_images:
            raise InputError(
                f"image {image}, position {position}: layer {self.values.layer} has "
                f"{self.run.n_images} images of {' × '.join(map(str, spatial)) or 'no'} positions"
            )
        place = image * self.positions + (int(np.ravel_multi_index(position, spatial)) if spatial else 0)
        at = int(np.searchsorted(self._rows, place))
        found = at < len(self._rows) and self._rows[at] == place
        row = at if found else None
        self.selection = Selection(
            image=int(image),
            position=tuple(int(part) for part in position),
            row=row,
            label=self.label(image),
            coordinates=None if row is None else tuple(map(float, self.projection.coordinates[row])),
            nearest=row if row is not None else self._nearest(image, position),
        )
        self.image = image
        return self.selection

    def select_row(self, row: int) -> Selection:
        """Select a projected position by its row."""
        image, *position = np.unravel_index(int(self._rows[row]), self.values.grid_shape)
        return self.select(int(image), *map(int, position))

    def _nearest(self, image: int, position: tuple[int, ...]) -> int | None:
        """The row of the sampled position of this image that is nearest on the grid."""
        first, last = np.searchsorted(self._rows, [image * self.positions, (image + 1) * self.positions])
        if first == last:
            return None
        grid = np.stack(np.unravel_index(self._rows[first:last], self.values.grid_shape)[1:], axis=1)
        return int(first + np.argmin(((grid - np.array(position)) ** 2).sum(axis=1)))

    def next_image(self, step: int = 1) -> None:
        """Show another image; after the last comes the first."""
        self.show_image((self.image + step) % self.run.n_images)

    def show_image(self, image: int) -> None:
        """Show an image; a selection in another one is dropped."""
        self.image = image
        if self.selection is not None and self.selection.image != self.image:
            self.selection = None

    def next_channel(self, step: int = 1) -> None:
        """Show another channel, or another axis of the projection when the map shows those."""
        if self.map == "component":
            self.component = (self.component + step) % self.projection.n_components
        elif self.map == "channel":
            self.channel = (self.channel + step) % self.values.channels
        else:
            self.map = "channel"

    def next_map(self, step: int = 1) -> None:
        """Show the norm, a channel, or a component of the projection, in turn."""
        self.map = MAPS[(MAPS.index(self.map) + step) % len(MAPS)]

    def next_colour(self, step: int = 1) -> None:
        """Colour the points by the next thing that this run has."""
        lacking = {"label": self.run.labels is None, "trust": self.projection.trust is None}
        modes = [mode for mode in COLOURS if not lacking.get(mode, False)]
        self.colour = modes[(modes.index(self.colour) + step) % len(modes)]

    @property
    def slice(self) -> int:
        """Which slice of a volume is shown: the selected one, or the middle."""
        if self.selection is not None and len(self.selection.position) == 3:
            return self.selection.position[0]
        return self.values.spatial[0] // 2 if len(self.values.spatial) == 3 else 0

    def plane(self, grid: NDArray[Any]) -> NDArray[Any] | None:
        """What of (*spatial, …) can be drawn, as (rows, columns, …); None when there are no positions.

        A signal is one row; a volume gives one slice.
        """
        rank = len(self.values.spatial)
        if rank == 0:
            return None
        if rank == 1:
            return grid[None]
        return grid[self.slice] if rank == 3 else grid

    def position_at(self, row: int, column: int) -> tuple[int, ...]:
        """The grid position drawn at a row and column of `plane`."""
        rank = len(self.values.spatial)
        return {1: (column,), 2: (row, column), 3: (self.slice, row, column)}[rank]

    @property
    def cell(self) -> tuple[int, int] | None:
        """Row and column of the selected position on `plane`, when its image is shown."""
        chosen = self.selection
        if chosen is None or chosen.image != self.image or not chosen.position:
            return None
        return (chosen.position[-2] if len(chosen.position) > 1 else 0), chosen.position[-1]
