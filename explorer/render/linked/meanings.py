"""What the points' colours and sizes mean: which quantities there are just now, and which are shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from explorer.errors import ExplorerError, InputError, suggest
from explorer.render.drawing.colours import check_colour_map
from explorer.render.linked.quantities import Quantities, Quantity
from explorer.render.linked.saliency_files import SALIENCY
from explorer.render.linked.steps import Steps


class Meanings(Steps):
    """The part of a state that says what is painted; `State` brings run, map and rows.

    Attributes:
        rows: (n_samples,) the projected positions' places in the layer's grid.
    """

    rows: NDArray[np.int64]
    _quantities: Quantities
    _colour: str
    _size: str | None
    _colour_map: str | None

    @property
    def colour(self) -> str:
        """What the points' colours mean, one of `colours`."""
        return self._colour

    @colour.setter
    def colour(self, colour: str) -> None:
        mode = self._mode(colour, "colour")
        if mode in self._fragile(mode):  # it may not fit a layer: found out before anything changes
            self.quantity(mode)
        self._colour = mode

    @property
    def size(self) -> str | None:
        """What the points' sizes mean, one of `colours` that are numbers; None when all are alike."""
        return self._size

    @size.setter
    def size(self, size: str | None) -> None:
        chosen = None if size is None else self._mode(size, "size")
        if chosen is not None and (chosen == "rgb" or self.quantity(chosen).names):
            raise InputError(f"size {size!r}: sizes show numbers; choose norm, channel, component or trust")
        self._size = chosen

    @property
    def colour_map(self) -> str | None:
        """The colour map asked for; None for the one that fits."""
        return self._colour_map

    @colour_map.setter
    def colour_map(self, name: str | None) -> None:
        self._colour_map = None if name is None else check_colour_map(name)

    def _mode(self, name: str, what: str) -> str:
        """A colouring by its name, when this run and this moment have it."""
        known = self.colours
        if name == "saliency":
            name = next((one for one in known if one.startswith(SALIENCY)), name)
        if name == "label" and self.run.labels is None:
            return "image"
        if name in known:
            return name
        reasons = {
            "trust": "it was not measured for this projection; choose another",
            "similarity": "look at a position first: select(image, *position)",
            "mask": "this run holds no masks",
            "saliency": "this run keeps no saliency maps; `activation-explorer saliency … --run` writes them",
        }
        raise InputError(
            f"{what} {name!r}: {reasons.get(name) or suggest(name, dict.fromkeys(('label', *known)))}"
        )

    def quantity(self, name: str) -> Quantity:
        """What a colouring shows of every projected position."""
        return self._quantities.get(name)

    def forget(self, name: str) -> None:
        """Read a colouring's numbers again when they are asked for."""
        self._quantities.forget(name)

    def _has_masks(self) -> bool:
        """Whether masks or saliency maps fit the shown layer, where they are what the colours mean."""
        try:
            return all(
                len(self.quantity(mode).values) == len(self.rows) for mode in self._fragile(self._colour)
            )
        except ExplorerError:
            return False

    @staticmethod
    def _fragile(mode: str) -> tuple[str, ...]:
        """The colouring itself, where it is of something that may not fit a layer."""
        return (mode,) if mode == "mask" or mode.startswith(SALIENCY) else ()
