"""Why these positions lie together: the numbers behind a report on a selection."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.capture.receptive_field import ReceptiveField
from explorer.capture.store import Run
from explorer.errors import InputError
from explorer.explain import coverage
from explorer.explain.contrast import ChannelContrast, contrast
from explorer.explain.coverage import Classes, NumberColumn, PictureShare
from explorer.explain.drivers import Driver
from explorer.explain.maximised import Maximised
from explorer.explain.selected import Chosen
from explorer.explain.typical import Typical, typical


@dataclass(frozen=True, eq=False)
class Reasons:
    """What is known of a selection, counted over the run.

    Attributes:
        run: the run.
        chosen: the selected positions, and their layer.
        among: (n,) places that the selection is compared with, where those are not all of the layer.
        channels: how each channel answers inside and outside, those that are set apart furthest first.
        direction: (C,) of length 1, from the mean of all compared positions to that of the selected.
        labels: the labels it covers, None where the run has none.
        masks: the mask classes it covers, None where the run has none.
        classes: columns of the run's metadata that hold classes.
        numbers: columns of the run's metadata that hold numbers.
        pictures: all that hold any of it, the largest share first.
        where: (rows, columns), or the layer's one axis: how often each place is selected; NaN where nothing
            is compared. Of a sampled map places are put together.
        typical: positions that stand for it.
        drivers: the pixels that drive the selected positions of typical pictures; empty without a model.
        drivers_note: how they were computed, or what would show them.
        grown: pictures that the mean direction grows into, beside the real ones that lie furthest along it;
            None without a model.
        grown_note: how it was computed, or what would show it.
    """

    run: Run
    chosen: Chosen
    among: NDArray[np.int64] | None
    channels: tuple[ChannelContrast, ...]
    direction: NDArray[np.float64]
    labels: Classes | None
    masks: Classes | None
    classes: tuple[Classes, ...]
    numbers: tuple[NumberColumn, ...]
    pictures: tuple[PictureShare, ...]
    where: NDArray[np.float64]
    typical: Typical
    drivers: tuple[Driver, ...] = ()
    drivers_note: str = ""
    grown: Maximised | None = None
    grown_note: str = ""

    @property
    def layer(self) -> str:
        """The layer whose positions are selected."""
        return self.chosen.layer

    @property
    def n_selected(self) -> int:
        """Number of selected positions."""
        return len(self.chosen.places)

    @property
    def n_positions(self) -> int:
        """Number of positions that are compared, the selected among them."""
        places = coverage.compared(self.chosen, self.among)
        return math.prod(self.chosen.grid_shape) if places is None else len(places)

    @property
    def field(self) -> ReceptiveField | None:
        """What a position sees of a picture, where that is known."""
        return self.run.receptive_field(self.layer)


def reasons(run: Run, chosen: Chosen, *, among: NDArray[np.int64] | None = None, n: int = 8) -> Reasons:
    """Count, compare and find what stands for a selection, in two passes over the layer.

    Args:
        run: the run.
        chosen: the selected positions.
        among: (n,) places that they are compared with, increasing; all of the layer by default.
        n: how many positions stand for it.

    Raises:
        InputError: n below 1.
    """
    if n < 1:
        raise InputError(f"{n} patches: expected at least 1")
    compared = contrast(run, chosen, among)
    counted = coverage.counting(chosen, among)
    classes, numbers = coverage.metadata(run, counted)
    return Reasons(
        run,
        chosen,
        among,
        compared.channels,
        compared.direction,
        coverage.labels(run, counted),
        coverage.masks(run, chosen, among),
        classes,
        numbers,
        coverage.pictures(run, counted),
        coverage.where(chosen, among),
        typical(run, chosen, compared.mean, among=among, n=n),
    )
